import { setTimeout as sleep } from 'node:timers/promises'
import { FAILPOINTS } from '../../../pipeline/failpoint.ts'
import { query, until } from '../../harness.ts'
import { positions } from '../../support/tables.ts'
import type { Ctx, Scenario } from '../scenario.ts'
import { sleepUpTo, World } from '../world.ts'

/**
 * The group holds a killed member's partitions until its session times out. Another group is let in at once, and does
 * not know better where to go on: that is in PostgreSQL. Some restarts wait for the group all the same.
 */
const groups = (name: string) => {
  let n = 0
  return { now: () => (n === 0 ? name : `${name}-${n}`), next: () => void n++ }
}

export const killedAtRandom: Scenario = {
  id: 'F1',
  title: 'kill -9 at random instants and at every named point',
  quick: true,
  async run(ctx) {
    // What a restart finds is several chunks then, and a point in the middle of a COPY is one: while there is less than
    // a socket takes at once, nothing is sent before all is.
    const world = await World.open(ctx, { traffic: { large: 30_000 } })
    const group = groups(world.settings.KAFKA_GROUP_ID)
    world.sender.start()
    let fromCheckpoint = 0

    const points = FAILPOINTS.map((point) => ({ point, passing: 1 + Math.floor(ctx.random() * 12) }))
    for (const { point, passing } of points) {
      const nth =
        point === 'in-checkpoint' || point === 'after-dead-letters' ? Math.ceil(passing / 4) : passing
      const process = world.start({ KAFKA_GROUP_ID: group.now(), WEIR_FAILPOINT: `${point}:${nth}` })
      const how = await world.gone(process)
      ctx.hold('X', how === 'SIGKILL', `the point ${point}:${nth} was not reached: ${how}`)
      if (/"checkpoint":\d/.test(process.errors)) fromCheckpoint++
      group.next()
    }
    const kills = ctx.quick ? 3 : ctx.full ? 100 : 12
    for (let kill = 1; kill <= kills; kill++) {
      const process = world.start({ KAFKA_GROUP_ID: group.now() })
      if (kill === 1) await untilCheckpoint(world.settings.DATABASE_URL)
      else if (kill % 4 === 0) await sleepUpTo(ctx, 1500)
      else {
        await world.untilProgress(`progress before kill ${kill}`)
        await sleepUpTo(ctx, 700)
      }
      await world.kill(process)
      if (/"checkpoint":\d/.test(process.errors)) fromCheckpoint++
      if (kill % 5 !== 0 && kill < kills) group.next()
    }
    ctx.hold('X', fromCheckpoint > 0, 'no restart began with a checkpoint')
    ctx.note(
      `${points.length} kills at named points, ${kills} at random; ${fromCheckpoint} starts from a checkpoint`,
    )
    world.start({ KAFKA_GROUP_ID: group.now() })
    ctx.note(
      `going on in a killed member's group took ${(await world.untilProgress('progress')).toFixed(1)} s`,
    )
    await world.conclude()
  },
}

const untilCheckpoint = (url: string) =>
  until(
    async () => (await query(url, 'SELECT 1 FROM checkpoints WHERE completed_at IS NOT NULL')).length > 0,
    { seconds: 20, what: 'a checkpoint' },
  )

export const terminated: Scenario = {
  id: 'F2',
  title: 'SIGTERM under full load, rolling over processes',
  quick: false,
  async run(ctx) {
    const world = await World.open(ctx, { rate: 2000 })
    world.sender.start()
    let processes = [world.start(), world.start()]
    await world.untilProgress('progress of the first two')
    const seconds: number[] = []
    const rounds = ctx.quick ? 2 : 6
    for (let round = 0; round < rounds; round++) {
      const [oldest, ...others] = processes
      processes = [...others, world.start()]
      await world.untilProgress(`progress while one more starts (round ${round})`)
      await sleepUpTo(ctx, 500)
      seconds.push(await world.terminate(oldest))
      await world.untilProgress(`progress after one went (round ${round})`)
    }
    ctx.note(`SIGTERM took ${seconds.map((s) => s.toFixed(1)).join(', ')} s`)

    // One parent over several: it ends them, and itself with 0.
    const workers = world.start({}, { args: ['--workers', '2'] })
    await sleep(ctx.quick ? 2500 : 6000)
    await world.terminate(workers)
    world.start()
    await world.conclude()
    const { DATABASE_URL, TRANSACTIONS_TOPIC } = world.settings
    const counted = (await positions(DATABASE_URL, TRANSACTIONS_TOPIC)).reduce((n, p) => n + p.duplicates, 0)
    const { again } = world.sender.sent
    ctx.hold(
      'X',
      counted === again,
      `${again} records were sent twice, and ${counted} were read as duplicates`,
    )
  },
}

export const stopped: Scenario = {
  id: 'F4',
  title: 'SIGSTOP, then SIGCONT: a zombie, past the session timeout and beside a second owner',
  quick: true,
  async run(ctx) {
    await besideAnotherOwner(ctx)
    if (!ctx.quick) await pastTheSession(ctx)
  },
}

/** Two groups at once, each process stopped in turn: the compare-and-set alone decides who stores. */
async function besideAnotherOwner(ctx: Ctx): Promise<void> {
  const world = await World.open(ctx, { rate: 1500, env: { BATCH_MAX_RECORDS: '10' } })
  world.sender.start()
  const processes = [1, 2].map((n) =>
    world.start({ KAFKA_GROUP_ID: `${world.settings.KAFKA_GROUP_ID}-${n}` }),
  )
  await world.untilProgress('progress of both')
  const rounds = ctx.quick ? 4 : 10
  const taken = () => processes.map(({ errors }) => errors.split('moved by somebody else').length - 1)
  const wasRefused = () => taken().some((n) => n > 0)
  // On a busy machine a stop may always meet a process between two batches: then some more.
  for (let round = 0; round < rounds || (!wasRefused() && round < 4 * rounds); round++) {
    const sleeper = processes[round % 2]
    await sleepUpTo(ctx, 300)
    sleeper.signal('SIGSTOP')
    for (const step of [1, 2, 3])
      await world.untilProgress(`progress ${step} while one is stopped (${round})`)
    sleeper.signal('SIGCONT')
  }
  ctx.hold('X', wasRefused(), 'nobody was ever refused')
  ctx.note(`refused by the compare-and-set and taken anew: ${taken().join(' and ')} times`)
  await world.conclude()
}

async function pastTheSession(ctx: Ctx): Promise<void> {
  // Batches of a kind that are seldom between two states: the more, the likelier a stop meets one in the middle.
  const world = await World.open(ctx, { rate: 2000, env: { BATCH_MAX_RECORDS: '20', LANES: '3' } })
  world.sender.start()
  const processes = [world.start(), world.start()]
  await world.untilProgress('progress of both')
  let longest = 0
  const rounds = ctx.quick ? 2 : 4
  for (let round = 0; round < rounds; round++) {
    const sleeper = processes[round % 2]
    await sleepUpTo(ctx, 1000)
    sleeper.signal('SIGSTOP')
    const began = performance.now()
    // The group notices after 6 s; then the other takes over and must go on.
    while (performance.now() - began < 9000)
      longest = Math.max(longest, await world.untilProgress(`progress while one is stopped (${round})`))
    sleeper.signal('SIGCONT')
    await world.untilProgress(`progress after it goes on (${round})`)
    await sleep(3000)
  }
  ctx.note(`${rounds} times; longest wait for progress ${longest.toFixed(1)} s`)
  for (const { errors } of processes)
    ctx.hold('X', !errors.includes('FatalError'), `a zombie failed: ${errors.slice(-500)}`)
  await world.conclude()
}

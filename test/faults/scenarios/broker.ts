import { setTimeout as sleep } from 'node:timers/promises'
import { servers } from '../../harness.ts'
import { health } from '../process-facts.ts'
import { brokerProxy } from '../proxy.ts'
import { type Ctx, type Scenario, Skip } from '../scenario.ts'
import { sleepUpTo, World } from '../world.ts'

const ownServers = ({ servers }: Ctx) => {
  if (servers === undefined) throw new Skip('needs servers of its own: npm run test:faults')
  return servers
}

export const brokerKilled: Scenario = {
  id: 'F5',
  title: 'broker killed by kill -9 and started again, many times',
  quick: false,
  async run(ctx) {
    const { kafka } = ownServers(ctx)
    const world = await World.open(ctx)
    world.sender.start()
    const processes = [world.start(), world.start()]
    const rounds = ctx.quick ? 1 : 4
    let longest = 0
    for (let round = 0; round < rounds; round++) {
      await world.untilProgress(`progress before kill ${round}`, 60)
      await sleepUpTo(ctx, 1500)
      await kafka.kill('SIGKILL')
      await sleepUpTo(ctx, 3000)
      await kafka.start()
      longest = Math.max(longest, await world.untilProgress(`progress after kill ${round}`, 60))
    }
    ctx.note(`${rounds} kills; going on took up to ${longest.toFixed(1)} s after the broker answered again`)
    for (const process of processes)
      ctx.hold('H', (await health(process, 'live')) === 200, '/health/live is not 200')
    await world.conclude()
  },
}

export const brokerSilent: Scenario = {
  id: 'F6',
  title: 'broker stopped by SIGSTOP; connections reset in mid-fetch',
  quick: true,
  async run(ctx) {
    await connectionsCut(ctx)
    if (!ctx.quick) await brokerStopped(ctx)
  },
}

async function connectionsCut(ctx: Ctx): Promise<void> {
  const proxy = await brokerProxy(ctx, servers().KAFKA_BROKERS[0])
  // The sender's as well as the pipeline's: so that acknowledgements are lost, too.
  const world = await World.open(ctx, { sendVia: [proxy.address], rate: 3000 })
  world.sender.start()
  world.start({ KAFKA_BROKERS: [proxy.address] })
  await world.untilProgress('the first progress')
  const rounds = ctx.quick ? 3 : 8
  for (let round = 0; round < rounds; round++) {
    for (let i = 0; i < 4; i++) {
      await sleepUpTo(ctx, 300)
      proxy.cut(ctx.random, 0.7)
    }
    proxy.cutInside(10_000)
    await world.untilProgress(`progress after cuts (${round})`)
  }
  ctx.hold('X', proxy.cuts >= rounds, `only ${proxy.cuts} connections were cut`)
  ctx.note(`${proxy.cuts} connections reset`)
  await world.conclude()
}

async function brokerStopped(ctx: Ctx): Promise<void> {
  const { kafka } = ownServers(ctx)
  const world = await World.open(ctx)
  world.sender.start()
  const process = world.start()
  await world.untilProgress('the first progress')
  global.process.kill(kafka.pid, 'SIGSTOP')
  try {
    await sleep(10_000)
    ctx.hold('H', (await health(process, 'ready')) === 503, '/health/ready is not 503 after 10 s')
    await sleep(50_000)
    ctx.hold('H', (await health(process, 'live')) === 200, '/health/live is not 200')
  } finally {
    global.process.kill(kafka.pid, 'SIGCONT')
  }
  const seconds = await world.untilProgress('progress after the broker goes on', 60)
  ctx.note(`stopped for 60 s; went on by itself after ${seconds.toFixed(1)} s`)
  await world.conclude()
}

import { setTimeout as sleep } from 'node:timers/promises'
import type { PipelineSettings } from '../../../pipeline/main.ts'
import { createTopics } from '../../../schemas/kafka.ts'
import { query, until } from '../../harness.ts'
import { positions } from '../../support/tables.ts'
import { endOffsets, sendMessages, withAdmin } from '../../support/topics.ts'
import { residentMb } from '../process-facts.ts'
import { urlProxy } from '../proxy.ts'
import type { Scenario } from '../scenario.ts'
import { disturbed, type Piece } from '../traffic.ts'
import { World } from '../world.ts'

const MOST_MB = 640

export const backlog: Scenario = {
  id: 'F17',
  title: 'a backlog, a heap of 256 MB, a slow database, and 80 % of the load on one account',
  quick: false,
  async run(ctx) {
    const world = await World.open(ctx, {
      env: { BATCH_MAX_RECORDS: '5000', QUEUE_BATCHES: '2' },
      traffic: withHotAccount(),
    })
    const { settings } = world
    const records = ctx.quick ? 20_000 : 80_000
    await world.sender.send(records)
    const database = await urlProxy(ctx, settings.DATABASE_URL)
    database.delay(5)
    const process = world.start({ DATABASE_URL: database.url }, { nodeArgs: ['--max-old-space-size=256'] })
    const ends = await endOffsets(settings)
    const hot = ends.indexOf(Math.max(...ends))
    let most = 0
    let othersDone = false
    await until(
      async () => {
        most = Math.max(most, residentMb(process))
        const reached = await positions(settings.DATABASE_URL, settings.TRANSACTIONS_TOPIC)
        const left = ends.map((end, i) => end - (reached[i]?.next_offset ?? 0))
        if (left[hot] > 0 && left.every((n, i) => i === hot || n === 0)) othersDone = true
        return reached.length === ends.length && left.every((n) => n === 0)
      },
      { seconds: 240, what: 'the backlog to be worked off' },
    )
    ctx.hold('R', most < MOST_MB, `resident memory reached ${most.toFixed(0)} MB`)
    ctx.hold('X', othersDone, 'the other partitions waited for the one with the hot account')
    ctx.note(
      `${records} records, ${ends[hot]} of them in one partition; at most ${most.toFixed(0)} MB resident`,
    )
    await world.conclude()
  },
}

function* withHotAccount(): Generator<Piece, never> {
  let n = 0
  for (const piece of disturbed({ seed: 17, againEvery: 0 })) {
    if (++n % 5 === 0 || !('transaction' in piece)) yield piece
    else yield { ...piece, transaction: { ...piece.transaction, account_id: 'hot' } }
  }
  throw new Error('the traffic never ends')
}

export const offsetOutOfRange: Scenario = {
  id: 'F18',
  title: 'retention has passed the position, the topic ends before it, and the topic was made anew',
  quick: false,
  async run(ctx) {
    const world = await World.open(ctx, { env: { TOPIC_PARTITIONS: '1' }, watch: false })
    const { settings, sender } = world
    const move = (offset: number) =>
      query(settings.DATABASE_URL, 'UPDATE positions SET next_offset = $1', [offset])
    const position = async () =>
      (await positions(settings.DATABASE_URL, settings.TRANSACTIONS_TOPIC))[0].next_offset
    await sender.send(600)
    const first = world.start()
    await until(async () => (await world.lag()) === 0, { seconds: 40, what: 'the first records' })
    await world.terminate(first)
    const end = await position()

    await withAdmin(settings, async (admin) => {
      await admin.fetchTopicOffsets(settings.TRANSACTIONS_TOPIC) // it must know the topic before it deletes from it
      const partitions = [{ partition: 0, offset: '150' }]
      await admin.deleteTopicRecords({ topic: settings.TRANSACTIONS_TOPIC, partitions })
    })
    const cases: [offset: number, expected: RegExp][] = [
      [100, /begins at 150: 50 records were deleted/],
      [end + 77, /ends at \d+: 77 records are missing/],
    ]
    for (const [offset, expected] of cases) {
      await move(offset)
      const process = world.start()
      const code = await world.gone(process)
      ctx.hold('X', code === 1, `ended with ${code} at the offset ${offset}`)
      ctx.hold(
        'X',
        expected.test(process.errors),
        `it did not say ${expected}: ${process.errors.slice(-400)}`,
      )
      const after = await position()
      ctx.hold('O', after === offset, `the position moved from ${offset} to ${after}`)
    }

    await move(end)
    await sender.send(300)
    const second = world.start()
    await until(async () => (await position()) >= end + 300, { seconds: 40, what: 'going on' })
    await world.terminate(second)

    const stood = await position()
    await makeAnew(settings)
    const others = Array.from({ length: stood }, (_, i) => ({ key: 'another', value: `topic ${i}` }))
    await sendMessages(settings, others)
    await sender.send(300)
    const third = world.start()
    const code = await world.gone(third)
    ctx.hold('X', code === 1, `ended with ${code} at a topic made anew`)
    const says = /the record at offset \d+ is not the one that was stored/.test(third.errors)
    ctx.hold('X', says, `it did not say that the topic was made anew: ${third.errors.slice(-400)}`)
    const held = await position()
    ctx.hold('O', held === stood, `the position moved from ${stood} to ${held}`)
    await query(settings.DATABASE_URL, 'UPDATE positions SET last_offset = NULL')
    world.start()
    await world.conclude({ quiet: 'none' })
  },
}

async function makeAnew(settings: PipelineSettings): Promise<void> {
  await withAdmin(settings, async (admin) => {
    await admin.deleteTopics({ topics: [settings.TRANSACTIONS_TOPIC] })
    // The broker deletes in the background, and refuses the name until then.
    await until(() => createTopics(admin, settings).then(() => true), { what: 'the topic made anew' })
  })
  await until(async () => (await endOffsets(settings))[0] === 0, { what: 'the new topic' })
}

export const morePartitions: Scenario = {
  id: 'F19',
  title: 'partitions 6 to 12: accounts that move begin anew, as a quiet run says, too',
  quick: false,
  async run(ctx) {
    // Nothing is sent twice: of two copies in two partitions chance decides which one stands.
    const world = await World.open(ctx, {
      env: { TOPIC_PARTITIONS: '6' },
      traffic: { seed: 19, againEvery: 0 },
    })
    const { settings, sender } = world
    const first = world.start()
    await sender.send(3000)
    await until(async () => (await world.lag()) === 0, { seconds: 40, what: 'the first records' })
    await withAdmin(settings, (admin) =>
      admin.createPartitions({ topicPartitions: [{ topic: settings.TRANSACTIONS_TOPIC, count: 12 }] }),
    )
    await until(async () => (await endOffsets(settings)).length === 12, { what: 'the new partitions' })
    await sender.send(3000)
    await sleep(2000)
    await world.terminate(first)
    const second = world.start()
    await until(
      async () => (await positions(settings.DATABASE_URL, settings.TRANSACTIONS_TOPIC)).length === 12,
      {
        seconds: 40,
        what: 'all twelve partitions to be taken',
      },
    )
    await sender.send(1000)
    await until(async () => (await world.lag()) === 0, { seconds: 40, what: 'the records of all partitions' })
    const [{ n: moved }] = await query<{ n: number }>(
      settings.DATABASE_URL,
      `SELECT count(*) AS n FROM (SELECT account_id FROM transactions GROUP BY 1
       HAVING count(DISTINCT kafka_partition) > 1) AS accounts`,
    )
    ctx.hold('X', moved > 0, 'no account moved')
    ctx.note(
      `${moved} accounts have transactions in two partitions: what they did in the first does not count there`,
    )
    void second
    await world.conclude()
  },
}

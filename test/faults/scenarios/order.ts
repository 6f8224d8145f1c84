import type { Feature } from '../../../pipeline/features/features.ts'
import { simulate } from '../../../pipeline/produce/simulator.ts'
import type { Transaction } from '../../../schemas/transaction.ts'
import { query, testSettings, until } from '../../harness.ts'
import { expectedOfMerchant, MERCHANT_FEATURES } from '../../support/merchant-oracle.ts'
import { EXACT, expectedFeatures } from '../../support/oracle.ts'
import { runToEnd } from '../../support/pipelines.ts'
import { ALL_FEATURES, differingDecisions, storedRows } from '../../support/tables.ts'
import { sendTransactions } from '../../support/topics.ts'
import { DAY, HOUR } from '../../support/transactions.ts'
import type { Scenario } from '../scenario.ts'
import { disturbed, type Piece } from '../traffic.ts'
import { sleepUpTo, World } from '../world.ts'

export const outOfOrder: Scenario = {
  id: 'F14',
  title: 'events out of order, days late, at equal times, with kill -9: the windows as they are defined',
  quick: true,
  async run(ctx) {
    const count = 1500
    const sent = jumbled(count, ctx.random)
    const pieces = sent.map((tx): Piece => ({ id: tx.transaction_id, kind: 'good', transaction: tx }))
    const world = await World.open(ctx, { traffic: pieces.values(), env: { BATCH_MAX_RECORDS: '20' } })
    for (let part = 0; part < 3; part++) {
      await world.sender.send(count / 3)
      const process = world.start({ KAFKA_GROUP_ID: `${world.settings.KAFKA_GROUP_ID}-${part}` })
      await world.untilProgress(`progress of part ${part}`)
      await sleepUpTo(ctx, 400)
      if (part < 2) await world.kill(process)
    }
    await world.conclude()

    const rows = new Map((await storedRows(world.settings.DATABASE_URL)).map((r) => [r.transaction_id, r]))
    const latenessMs = world.settings.ALLOWED_LATENESS * HOUR
    let late = 0
    let wrong = 0
    let example = ''
    for (const [i, account] of expectedFeatures(sent, latenessMs).entries()) {
      const expected = { ...account, ...ofMerchant(sent[i]) }
      late += expected.late
      const features = rows.get(sent[i].transaction_id)?.features
      const differing = EXACT.filter((name) => !isSame(features?.[name] as number | null, expected[name]))
      if (differing.length === 0) continue
      wrong++
      example ||= differing.map((name) => `${name}: ${features?.[name]} for ${expected[name]}`).join(', ')
    }
    ctx.hold(
      'S',
      wrong === 0,
      `${wrong} rows have other features than the definition of the windows gives, e.g. ${example}`,
    )
    ctx.hold('X', late > 10, `only ${late} late events`)
    ctx.note(`${late} of ${count} events later than allowed; all windows as by definition`)
  },
}

/** There are no labels yet: no fraud is known of any merchant. */
function ofMerchant({ merchant_id, timestamp }: Transaction): Partial<Record<Feature, number>> {
  if (!merchant_id) return {}
  const values = expectedOfMerchant([], merchant_id, timestamp, 1)
  return Object.fromEntries(MERCHANT_FEATURES.map((name, i) => [name, values[i]]))
}

/** What is stored has six digits after the point, and null for "none". */
const isSame = (stored: number | null | undefined, expected: number): boolean =>
  Number.isNaN(expected) ? stored === null : Math.abs((stored ?? Number.NaN) - expected) < 1e-6

/** Transactions of few accounts, near each other in time, jumbled, some days late, some at equal times. */
function jumbled(count: number, random: () => number): Transaction[] {
  const stream = simulate({ seed: 14, accounts: 12, start: Date.UTC(2025, 0, 1), fraudShare: 0.1 })
  const list = Array.from({ length: count }, () => stream.next().value)
  for (let i = 0; i < list.length; i++) {
    const draw = random()
    const { timestamp } = list[i]
    if (draw < 0.3 && i > 0) list[i] = { ...list[i], timestamp: list[i - 1].timestamp }
    else if (draw < 0.5) list[i] = { ...list[i], timestamp: timestamp - Math.floor(random() * 4 * DAY) }
    else if (draw < 0.7) list[i] = { ...list[i], timestamp: timestamp - Math.floor(random() * 2 * HOUR) }
  }
  return list
}

const MARKED = 200

export const duplicates: Scenario = {
  id: 'F15',
  title: 'duplicates: same batch, other batch, other process, days apart, another content; statuses stay',
  quick: true,
  async run(ctx) {
    const good: Transaction[] = []
    const world = await World.open(ctx, { traffic: withDuplicates(good), env: { BATCH_MAX_RECORDS: '40' } })
    const { settings, sender } = world
    sender.start()
    let group = settings.KAFKA_GROUP_ID
    let process = world.start()
    await until(async () => (await world.progress()) > 1000, { seconds: 40, what: 'the first thousand' })
    await query(
      settings.DATABASE_URL,
      `UPDATE transactions SET status = 'FRAUD' WHERE transaction_id IN
       (SELECT transaction_id FROM transactions ORDER BY kafka_offset LIMIT ${MARKED})`,
    )
    for (let kill = 1; kill <= (ctx.quick ? 2 : 5); kill++) {
      await world.untilProgress(`progress before kill ${kill}`)
      await sleepUpTo(ctx, 500)
      await world.kill(process)
      group = `${settings.KAFKA_GROUP_ID}-${kill}`
      process = world.start({ KAFKA_GROUP_ID: group })
    }
    await world.untilProgress('progress after the kills')
    await world.conclude()

    const [counts] = await query<{ marked: number; duplicates: number }>(
      settings.DATABASE_URL,
      `SELECT (SELECT count(*) FROM transactions WHERE status = 'FRAUD') AS marked,
              (SELECT sum(duplicates) FROM positions)::bigint AS duplicates`,
    )
    ctx.hold('X', counts.marked === MARKED, `${counts.marked} of ${MARKED} statuses of analysts are left`)
    ctx.hold('X', counts.duplicates > 100, `only ${counts.duplicates} duplicates`)
    const once = await testSettings(ctx, ALL_FEATURES)
    await sendTransactions(once, good)
    await runToEnd(once, 60)
    const differing = await differingDecisions(settings.DATABASE_URL, once.DATABASE_URL, 'identity')
    ctx.hold(
      'S',
      differing.length === 0,
      `${differing.length} differ from a topic without duplicates: ${differing[0]}`,
    )
    ctx.note(`${counts.duplicates} duplicates; decisions compared with a topic that has none`)
  },
}

/** Each tenth is repeated, from one record to thousands later, or with another content. */
function* withDuplicates(good: Transaction[]): Generator<Piece, never> {
  const distances = [1, 7, 60, 300, 1500]
  let n = 0
  for (const piece of disturbed({ seed: 15, againEvery: 0, invalidEvery: 0 })) {
    if (!('transaction' in piece)) continue
    good.push(piece.transaction)
    yield piece
    if (++n % 10 !== 0) continue
    const distance = distances[(n / 10) % distances.length]
    const earlier = good.at(-distance) ?? good[0]
    const id = earlier.transaction_id
    yield n % 70 === 0
      ? { id, kind: 'conflict', transaction: { ...earlier, amount: earlier.amount + 1 } }
      : { id, kind: 'again', transaction: earlier }
  }
  throw new Error('the traffic never ends')
}

export const clockShifted: Scenario = {
  id: 'F16',
  title: 'the wall clock jumps by an hour, forward and back',
  quick: false,
  async run(ctx) {
    const world = await World.open(ctx)
    world.sender.start()
    const shifted = { nodeArgs: ['--import', new URL('../shifted-clock.ts', import.meta.url).href] }
    // One of two: to the group, it dies and comes back; to itself, its heartbeats are not due for an hour.
    const processes = [world.start({}, shifted), world.start()]
    await world.untilProgress('the first progress')
    let longest = 0
    for (const end = performance.now() + (ctx.quick ? 12_000 : 40_000); performance.now() < end; )
      longest = Math.max(longest, await world.untilProgress('progress with a shifted clock', 60))
    ctx.note(`longest wait for progress ${longest.toFixed(1)} s`)
    for (const { errors } of processes)
      ctx.hold('X', !errors.includes('FatalError'), `it ended: ${errors.slice(-300)}`)
    const taken = processes.map(({ errors }) => errors.split('moved by somebody else').length - 1)
    ctx.note(`refused by the compare-and-set and taken anew: ${taken.join(' and ')} times`)
    await world.conclude()
  },
}

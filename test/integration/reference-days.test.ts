import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type pg from 'pg'
import { F, FEATURE_COUNT } from '../../pipeline/features/features.ts'
import { type LabelKind, labelKind } from '../../pipeline/features/label-events.ts'
import { fillMerchant } from '../../pipeline/features/merchant-features.ts'
import { EUROS } from '../../pipeline/features/rates.ts'
import type { ReferenceDay } from '../../pipeline/features/reference-day.ts'
import { ReferenceHistory } from '../../pipeline/features/reference-history.ts'
import { replay } from '../../pipeline/history/replay.ts'
import { fromTable } from '../../pipeline/history/table.ts'
import { ensureReference, readReference } from '../../pipeline/store/reference-days.ts'
import { createClient } from '../../schemas/database.ts'
import { freshDatabase, query, testSettings, until } from '../harness.ts'
import { expectedOfMerchant, type LabelEvent, MERCHANT_FEATURES } from '../support/merchant-oracle.ts'
import { runningPipeline, runToEnd, untilProcessed } from '../support/pipelines.ts'
import { simulated } from '../support/simulated.ts'
import { ALL_FEATURES } from '../support/tables.ts'
import { sendTransactions } from '../support/topics.ts'
import { DAY, transaction } from '../support/transactions.ts'

const DELAY = 7
const START = Math.floor(Date.UTC(2026, 0, 20) / DAY)

/** Of a day that is over: there is one. */
const ensured = async (...of: Parameters<typeof ensureReference>): Promise<ReferenceDay> => {
  const reference = await ensureReference(...of)
  assert.ok(reference !== null)
  return reference
}

/** A stored transaction as labels and merchants see it. */
interface Sale {
  id: string
  merchant: string
  time: number
  isFraud: boolean | null
  ratio: number | null
}

/** One at m-1 on a day after the start, without a label. */
const saleOf = (id: string, day: number): Sale => ({
  id,
  merchant: 'm-1',
  time: (START + day) * DAY + 1000,
  isFraud: null,
  ratio: 1,
})

interface Label {
  of: Sale
  isFraud: boolean
  knownAt: number
}

async function connected(t: { after: (f: () => Promise<void>) => void }, url: string): Promise<pg.Client> {
  const client = createClient({ connectionString: url, application_name: 'weir-test' })
  client.on('error', () => {})
  await client.connect()
  t.after(() => client.end())
  return client
}

async function storeSales(client: pg.Client, sales: Sale[]): Promise<void> {
  for (const time of new Set(sales.map((sale) => new Date(sale.time).toISOString().slice(0, 7))))
    await client.query('SELECT ensure_transactions_partition($1)', [`${time}-15`])
  await client.query(
    `INSERT INTO transactions (transaction_id, account_id, timestamp, amount, currency, merchant_id,
       merchant_category, location, channel, is_fraud, amount_ratio, score, is_anomaly, rules_version, model_version,
       kafka_partition, kafka_offset)
     SELECT id, 'a-1', to_timestamp(ms / 1000.0), 1, 'EUR', merchant, '', '', 'ATM', fraud, ratio, 0, false, 'r', 'm', 0, n
     FROM unnest($1::text[], $2::bigint[], $3::text[], $4::boolean[], $5::real[]) WITH ORDINALITY
       AS sale (id, ms, merchant, fraud, ratio, n)`,
    [
      sales.map((s) => s.id),
      sales.map((s) => s.time),
      sales.map((s) => s.merchant),
      sales.map((s) => s.isFraud),
      sales.map((s) => s.ratio),
    ],
  )
}

async function storeLabels(client: pg.Client, labels: Label[]): Promise<void> {
  for (const { of, isFraud, knownAt } of labels) {
    await client.query(
      `INSERT INTO labels (transaction_id, timestamp, is_fraud, origin, known_at)
       VALUES ($1, to_timestamp($2::bigint / 1000.0), $3, 'test', to_timestamp($4::bigint / 1000.0))`,
      [of.id, of.time, isFraud, knownAt],
    )
  }
}

/** Runs `look` before each statement of the client. */
function beforeEach(client: pg.Client, look: (text: string) => Promise<void>): void {
  const query = client.query.bind(client) as (...given: unknown[]) => Promise<unknown>
  client.query = (async (...given: unknown[]) => {
    await look(String(given[0]))
    return query(...given)
  }) as typeof client.query
}

async function countReferences(client: pg.Client): Promise<number> {
  const { rows } = await client.query<{ n: number }>('SELECT count(*) AS n FROM reference_days')
  return rows[0].n
}

function featuresAt(reference: ReferenceDay | null, merchant: string, timestamp: number): number[] {
  const row = new Float64Array(FEATURE_COUNT)
  fillMerchant(row, 0, reference, transaction({ merchant_id: merchant, timestamp }))
  return MERCHANT_FEATURES.map((name) => row[F[name]])
}

/** The same every time. */
function generator(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31
    return Math.floor((state / 2 ** 31) * below)
  }
}

/** What a merchant's sales are to become, by the definition: taken as they are known when they are due, then late ones. */
function eventsOf(sales: Sale[], labels: Label[]): LabelEvent[] {
  return sales.flatMap((sale): LabelEvent[] => {
    const its = labels.filter((l) => l.of === sale).sort((a, b) => a.knownAt - b.knownAt)
    const taken = (Math.floor(sale.time / DAY) + DELAY) * DAY
    const kindOf = (isFraud: boolean | null): LabelKind => labelKind(isFraud, sale.ratio ?? Number.NaN)
    const isFraud = its.filter((l) => l.knownAt < taken).at(-1)?.isFraud ?? sale.isFraud
    const { merchant, time } = sale
    const events: LabelEvent[] = [{ merchant, time, kind: kindOf(isFraud), late: false }]
    const late = its.find((l) => l.knownAt >= taken && l.isFraud)
    if (isFraud !== true && late !== undefined)
      events.push({ merchant, time: late.knownAt - DELAY * DAY, kind: kindOf(true), late: true })
    return events
  })
}

test('day after day, the references of the database are what the definition says, late labels included', async (t) => {
  const client = await connected(t, await freshDatabase(t))
  const random = generator(5)
  const days = 45
  const sales = Array.from({ length: 600 }, (_, i): Sale => {
    return {
      id: `t-${i}`,
      merchant: `m-${random(4)}`,
      time: START * DAY + random(days * 24) * 3_600_000,
      isFraud: [true, false, null, null][random(4)],
      ratio: [null, 1, 3][random(3)],
    }
  })
  // Before the delay is over, exactly then, and after it; some are taken back in time.
  const labels = sales.flatMap((of, i): Label[] => {
    if (i % 3 > 0) return []
    const knownAt = of.time + [2, 6, 7, 9, 16][random(5)] * DAY
    const back: Label[] = i % 4 === 0 ? [{ of, isFraud: false, knownAt: of.time + DAY }] : []
    return [...back, { of, isFraud: true, knownAt }]
  })
  await storeSales(client, sales)
  const events = eventsOf(sales, labels)
  assert.ok(events.filter((e) => e.late).length > 20)

  const waiting = [...labels]
  for (let day = START + DELAY; day < START + days + DELAY; day++) {
    // Some are there before the time that they name: they count from then on.
    const known = waiting.filter((label, i) => label.knownAt < (day + (i % 2) * 3) * DAY)
    await storeLabels(client, known)
    for (const label of known) waiting.splice(waiting.indexOf(label), 1)
    const built = await ensured(client, day, DELAY)
    const read = await readReference(client, day, DELAY)
    for (let i = 0; i < 60; i++) {
      const [merchant, moment] = [`m-${random(4)}`, day * DAY + random(24) * 3_600_000]
      const expected = expectedOfMerchant(events, merchant, moment, DELAY)
      assert.deepEqual(featuresAt(built, merchant, moment), expected, `${merchant} at ${moment}`)
      assert.deepEqual(featuresAt(read, merchant, moment), expected)
    }
  }
})

test('labels that come in when all is built count from the next day on, whatever time they name', async (t) => {
  const client = await connected(t, await freshDatabase(t))
  const sales = [saleOf('t-0', 0), saleOf('t-1', 5), saleOf('t-2', 9)]
  await storeSales(client, sales)
  const at = (day: number) => [START + DELAY + day, (START + DELAY + day + 1) * DAY - 1] as const
  const known = async (day: number) =>
    featuresAt(await ensured(client, at(day)[0], DELAY), 'm-1', at(day)[1]).slice(0, 4)
  assert.deepEqual(await known(5), [2, 0, 0, 0])
  // Known long ago by its own account, and only now told.
  await storeLabels(client, [{ of: sales[0], isFraud: true, knownAt: (START + 1) * DAY }])
  assert.deepEqual(await known(5), [2, 0, 0, 0], 'what is built stays')
  // Nobody needed the days 6 to 8. The late one is of day 5 then, t-1 ends its run.
  assert.deepEqual(await known(9), [4, 1 / 4, 1, 0])
  assert.deepEqual(await known(10), [4, 1 / 4, 1, 0], 'once')
  let asked = 0
  const beforeBuilding = async () => void asked++
  await ensured(client, at(10)[0], DELAY, { beforeBuilding })
  assert.equal(asked, 0, 'what is there is not built')
  await ensured(client, at(-1)[0], DELAY, { beforeBuilding })
  assert.equal(asked, 1)
  assert.equal(await countReferences(client), 12, 'all from the first transaction on')
  await assert.rejects(client.query('UPDATE reference_days SET events = 0'), /never altered/)
})

test('of two that need a day at once one builds it, and both have the same', async (t) => {
  const url = await freshDatabase(t)
  const client = await connected(t, url)
  const clients = await Promise.all([connected(t, url), connected(t, url), connected(t, url)])
  const sales = Array.from({ length: 500 }, (_, i): Sale => {
    return {
      id: `t-${i}`,
      merchant: `m-${i % 7}`,
      time: START * DAY + i * 9_000_000,
      isFraud: i % 5 === 0,
      ratio: 1,
    }
  })
  await storeSales(client, sales)
  const day = START + 40
  const built = await Promise.all(clients.map((other) => ensured(other, day, DELAY)))
  const { rows } = await client.query('SELECT events, merchants FROM reference_days ORDER BY day DESC')
  assert.equal(rows.length, day - (START + DELAY) + 1)
  assert.deepEqual(rows[0], { events: built[0].parts.events.length, merchants: 7 })
  assert.ok(rows[0].events > 0)
  for (const { parts } of built) assert.deepEqual(parts, built[0].parts)
})

test('a build that was cut off goes on where it was, and nobody keeps the counts', async (t) => {
  const url = await freshDatabase(t)
  const client = await connected(t, url)
  const sales = Array.from({ length: 30 }, (_, i) => saleOf(`t-${i}`, i))
  await storeSales(client, sales)
  const day = START + DELAY + 20
  const cut = await connected(t, url)
  let built = 0
  const onBuilt = () => {
    if (++built === 5) throw new Error('cut off')
  }
  await assert.rejects(ensured(cut, day, DELAY, { onBuilt }), /cut off/)
  assert.equal(await countReferences(client), 5)
  const reference = await ensured(client, day, DELAY, { onBuilt: () => void built++ })
  assert.equal(built, 21, 'no day is built twice')
  assert.equal(reference.parts.counts, null)
  assert.deepEqual(featuresAt(reference, 'm-1', day * DAY + 1000).slice(0, 2), [21, 0])
})

test('while a large reference is made, the server hears that its builder lives', async (t) => {
  const client = await connected(t, await freshDatabase(t))
  const sales = Array.from({ length: 6000 }, (_, i) => ({
    ...saleOf(`t-${i}`, 0),
    merchant: `m-${i % 3000}`,
  }))
  await storeSales(client, sales)
  let heard = 0
  beforeEach(client, async (text) => {
    if (text === 'SELECT 1') heard++
  })
  const { parts } = await ensured(client, START + DELAY, DELAY)
  assert.equal(parts.merchants.length, 3000)
  assert.ok(heard >= 15, `${heard}`)
})

test('a late fraud counts once, though the day before was built by one who had looked later', async (t) => {
  const url = await freshDatabase(t)
  const [client, second] = [await connected(t, url), await connected(t, url)]
  const sales = [saleOf('t-0', 0), saleOf('t-1', 5)]
  await storeSales(client, sales)
  const day = START + DELAY + 3
  await ensured(client, day, DELAY)
  // The first has looked at the labels and waits for the lock; then one comes in, and the second builds the day before.
  const first = await connected(t, url)
  let isOvertaken = false
  beforeEach(first, async (text) => {
    if (isOvertaken || !text.includes('weir.reference_days')) return
    isOvertaken = true
    await storeLabels(client, [{ of: sales[0], isFraud: true, knownAt: day * DAY }])
    await ensured(second, day + 1, DELAY)
  })
  await ensured(first, day + 2, DELAY)
  assert.ok(isOvertaken)
  const known = async (later: number) => {
    const reference = await ensured(client, day + later, DELAY)
    return featuresAt(reference, 'm-1', (day + later + 1) * DAY - 1).slice(0, 4)
  }
  assert.deepEqual(await known(1), [2, 1 / 2, 1, 1])
  assert.deepEqual(await known(2), [3, 1 / 3, 1, 0])
  assert.deepEqual(await known(3), [3, 1 / 3, 1, 0])
})

test('references made of a history are those of the database: labels count from when they were known', async (t) => {
  const client = await connected(t, await freshDatabase(t))
  const random = generator(11)
  const days = 40
  const sales = Array.from({ length: 400 }, (_, i): Sale => {
    const time = START * DAY + random(days * 24) * 3_600_000
    return {
      id: `t-${i}`,
      merchant: `m-${random(3)}`,
      time,
      isFraud: [null, false, true][random(3)],
      ratio: 1,
    }
  }).sort((a, b) => a.time - b.time)
  const labels = sales.flatMap((of, i): Label[] =>
    Array.from({ length: i % 3 }, (_, n) => {
      return { of, isFraud: random(2) === 0, knownAt: of.time + random(20 * 24) * 3_600_000 + n }
    }),
  )
  await storeSales(client, sales)
  await storeLabels(client, labels)
  for (let day = START; day < START + days; day++) await ensured(client, day, DELAY)

  const featuresBy = async (delayDays: number, forget = false) => {
    const state = { latenessMs: DAY, rates: EUROS, delayDays }
    const history = await fromTable(client, { from: START * DAY, to: (START + days) * DAY }, state)
    const references = forget ? new ReferenceHistory(delayDays) : history.references
    const rows: number[][] = []
    for await (const { batch } of replay({ ...history, references }, new AbortController().signal))
      for (let row = 0; row < batch.transactions.length; row++)
        rows.push(MERCHANT_FEATURES.map((name) => batch.features[row * FEATURE_COUNT + F[name]]))
    return rows
  }
  const stored = await featuresBy(DELAY)
  assert.equal(stored.length, sales.length)
  assert.deepEqual(await featuresBy(DELAY, true), stored)
  // Another delay has no stored references. Nothing that became known later than a transaction may show in it.
  const before = await featuresBy(3)
  const moment = START + days - 10
  await client.query('ALTER TABLE labels DISABLE TRIGGER ALL')
  await client.query('DELETE FROM labels WHERE known_at >= to_timestamp($1)', [(moment * DAY) / 1000])
  const after = await featuresBy(3)
  const younger = sales.findIndex((sale) => sale.time >= moment * DAY)
  assert.deepEqual(after.slice(0, younger), before.slice(0, younger))
  assert.notDeepEqual(after, before)
})

test('of a day whose transactions are still to come nothing is built', async (t) => {
  const url = await freshDatabase(t)
  const client = await connected(t, url)
  await storeSales(client, [saleOf('t-1', 0)])
  const today = Math.floor(Date.now() / DAY)
  assert.equal(await ensureReference(client, today + 30, DELAY), null)
  assert.equal(await ensureReference(client, today + 1, 1), null, 'what is known tomorrow happens today')
  assert.equal(await countReferences(client), 0)
  assert.notEqual(await ensureReference(client, today, DELAY), null)
  const [{ is_evening }] = await query<{ is_evening: boolean }>(
    url,
    `SELECT extract(hour FROM now() AT TIME ZONE 'UTC') >= 18 AS is_evening`,
  )
  const tomorrow = await ensureReference(client, today + 1, DELAY)
  assert.equal(tomorrow !== null, is_evening, 'what claims to be of this evening builds nothing before it')
})

test('another delay makes another reference; a day without anything before it makes an empty one', async (t) => {
  const client = await connected(t, await freshDatabase(t))
  const one = { id: 't-1', merchant: 'm-1', time: START * DAY, isFraud: true, ratio: null }
  await storeSales(client, [one])
  const merchants = async (day: number, delay: number) =>
    (await ensured(client, START + day, delay)).parts.merchants
  assert.deepEqual(await merchants(7, 7), ['m-1'])
  assert.deepEqual(await merchants(7, 8), [])
  assert.deepEqual(await merchants(8, 8), ['m-1'])
  assert.deepEqual(await merchants(-3000, 7), [])
  assert.deepEqual(await merchants(60, 7), [])
})

/** Decisions with all features, in the order of the records. */
const decisions = (url: string) =>
  query<{ transaction_id: string; score: number; features: Record<string, number | null> }>(
    url,
    'SELECT transaction_id, score, features FROM transactions ORDER BY kafka_partition, kafka_offset',
  )

test('two pipelines that need the same days agree, and what is read again is judged as before', async (t) => {
  const settings = await testSettings(t, { BATCH_MAX_RECORDS: '100', ...ALL_FEATURES, LABEL_DELAY_DAYS: '7' })
  const { DATABASE_URL } = settings
  const sent = simulated(2500, 51)
  const span = (sent[sent.length - 1].timestamp - sent[0].timestamp) / DAY
  assert.ok(span > 20, `${span} days`)
  await Promise.all([sendTransactions(settings, sent), query(DATABASE_URL, 'SELECT 1')])
  {
    await using first = await runningPipeline(settings)
    await using _ = await runningPipeline(settings)
    await untilProcessed(settings, { pipeline: first })
  }
  const before = await decisions(DATABASE_URL)
  assert.equal(before.length, sent.length)
  const knowing = before.filter(({ features }) => (features.merchant_known_30d ?? 0) > 0)
  assert.ok(
    knowing.length > sent.length / 4,
    `${knowing.length} transactions at merchants of which something is known`,
  )

  const client = await connected(t, DATABASE_URL)
  const byId = new Map(sent.map((tx) => [tx.transaction_id, tx]))
  for (const { transaction_id, features } of before) {
    const tx = byId.get(transaction_id)!
    const reference = await readReference(client, Math.floor(tx.timestamp / DAY), DELAY)
    const expected = featuresAt(reference, tx.merchant_id!, tx.timestamp)
    MERCHANT_FEATURES.forEach((name, i) => {
      if (Number.isNaN(expected[i])) assert.equal(features[name], null, name)
      else
        assert.ok(
          Math.abs(features[name]! - expected[i]) < 1e-5,
          `${name}: ${features[name]}, ${expected[i]}`,
        )
    })
  }

  await query(DATABASE_URL, 'DELETE FROM checkpoints')
  await query(DATABASE_URL, 'DELETE FROM transactions')
  await query(DATABASE_URL, 'UPDATE positions SET next_offset = 0')
  await runToEnd(settings)
  assert.deepEqual(await decisions(DATABASE_URL), before)
})

test('a reference that takes long is no stall, and who waits for its builder is ready', async (t) => {
  const settings = await testSettings(t, { LABEL_DELAY_DAYS: '7', WATCHDOG_SECONDS: '1' })
  const builder = await connected(t, settings.DATABASE_URL)
  await builder.query('BEGIN')
  await builder.query(`SELECT pg_advisory_xact_lock(hashtext('weir.reference_days'))`)
  await sendTransactions(settings, simulated(50, 3))
  await using pipeline = await runningPipeline(settings)
  const stalls = async () => (await pipeline.metrics.stalls.get()).values[0].value
  const isReady = async () => (await fetch(`${pipeline.healthUrl}/health/ready`)).status === 200
  await until(isReady, { what: 'the pipeline to be ready' })
  // Longer than the watchdog waits, and than a lane waits for a lock.
  for (const end = Date.now() + 7000; Date.now() < end; await sleep(100)) {
    assert.ok(await isReady())
    assert.equal(await stalls(), 0)
  }
  assert.equal(pipeline.progress.processed, 0)
  await builder.query('COMMIT')
  await untilProcessed(settings, { pipeline })
})

test('a batch keeps what a fraud was for its account: amount_ratio is stored, unknown as null', async (t) => {
  const settings = await testSettings(t, { TOPIC_PARTITIONS: '1' })
  await sendTransactions(settings, [transaction({ amount: 100_0000 }), transaction({ currency: 'XXX' })])
  await runToEnd(settings)
  const rows = await query(
    settings.DATABASE_URL,
    'SELECT amount_ratio FROM transactions ORDER BY kafka_offset',
  )
  assert.deepEqual(rows, [{ amount_ratio: 2 }, { amount_ratio: null }])
})

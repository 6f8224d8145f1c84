import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { STATUSES } from '../../schemas/transaction.ts'
import { query } from '../harness.ts'
import { json } from '../unit/api-app.ts'
import { ANOMALIES, open } from './api-rows.ts'
import { insertAnomalies, type QueueRow } from './queue-rows.ts'

type Call = Awaited<ReturnType<typeof open>>['call']
type Item = { transaction_id: string; timestamp: string }

/** No call of these tests is refused for its number. */
const MANY = { env: { RATE_LIMIT_READ: '1000000' } }

/** Rows that come in during a walk. */
const MOST_MEANWHILE = 20

/** All pages by their cursors. @param between runs behind each page but the last */
async function walk(call: Call, path: string, between = async () => {}): Promise<string[]> {
  const ids: string[] = []
  let cursor: string | null = null
  do {
    const and: string = cursor === null ? '' : `&cursor=${cursor}`
    const answer = await call('GET', `${path}${and}`)
    const body = await json(answer)
    assert.equal(answer.status, 200, JSON.stringify(body))
    assert.ok(body.count > 0 || cursor === null, 'no page behind the first is empty')
    ids.push(...body.data.map((item: Item) => item.transaction_id))
    assert.ok(ids.length < 1000, 'the walk does not end')
    cursor = body.next_cursor
    if (cursor !== null) await between()
  } while (cursor !== null)
  return ids
}

/** Many ties: of score, of loss, of time; and times that differ by microseconds. */
const row = fc.record({
  score: fc.constantFrom(0.7, 0.8, 0.8, 0.9, 0.7000001, 1),
  amount: fc.constantFrom('0.0000', '10.0000', '10.0001', '999999999.9999'),
  status: fc.constantFrom<string | null>(...STATUSES, null),
  time: fc.constantFrom(
    '2026-11-24T09:30:00.000000Z',
    '2026-11-24T09:30:00.000001Z',
    '2026-11-24T09:30:00.001Z',
    '2026-11-30T23:59:59.999Z',
    '2026-12-01T00:00:00.000Z',
    '2026-10-01T00:00:00.000Z',
  ),
})

/** The list that the queue must be, told without SQL. */
function expected(rows: readonly QueueRow[], order: string, statuses: readonly string[]): string[] {
  const tenThousandths = ({ amount }: QueueRow) => BigInt(amount!.replace('.', ''))
  // The score as numeric has six digits: so many units of a millionth. Rounded half away from zero.
  const loss = (row: QueueRow) =>
    (tenThousandths(row) * BigInt(Math.round(Number(Math.fround(row.score!).toPrecision(6)) * 1e6)) +
      500_000n) /
    1_000_000n
  const rank = (row: QueueRow) => (order === 'loss' ? loss(row) : Math.fround(row.score!))
  const time = ({ time }: QueueRow) => time!.replace(/(\.\d{3})Z/, '$1000Z')
  return rows
    .filter(({ status }) => statuses.includes(status ?? 'NEW'))
    .toSorted((a, b) => {
      const [x, y] = [rank(a), rank(b)]
      if (x !== y) return x > y ? -1 : 1
      if (time(a) !== time(b)) return time(a) < time(b) ? -1 : 1
      return a.id < b.id ? -1 : 1
    })
    .map(({ id }) => id)
}

test('walking the queue by cursors gives the list in its order, each once, also while rows come in', async (t) => {
  const { call, url } = await open(t, [], MANY)
  const run = fc.record({
    rows: fc.array(row, { minLength: 1, maxLength: 40 }),
    meanwhile: fc.array(row, { maxLength: 5 }),
    limit: fc.integer({ min: 1, max: 12 }),
    order: fc.constantFrom('score', 'loss'),
    statuses: fc.subarray([...STATUSES]),
  })
  await fc.assert(
    fc.asyncProperty(run, async ({ rows, meanwhile, limit, order, statuses }) => {
      await query(url, 'TRUNCATE transactions')
      const there = rows.map((row, i) => ({ ...row, id: `t${i}` }))
      await insertAnomalies(url, there)
      const filter = statuses.length === 0 ? '' : `&status=${statuses.join(',')}`
      const path = `${ANOMALIES}?limit=${limit}&order=${order}${filter}`
      const wanted = expected(there, order, statuses.length === 0 ? STATUSES : statuses)
      assert.deepEqual(await walk(call, path), wanted)
      // Not behind every page: where more come in than a page holds the walk would not end.
      let more = 0
      const ids = await walk(call, path, async () => {
        if (more < MOST_MEANWHILE)
          await insertAnomalies(
            url,
            meanwhile.map((row) => ({ ...row, id: `new${more++}` })),
          )
      })
      assert.deepEqual(
        ids.filter((id) => !id.startsWith('new')),
        wanted,
      )
      assert.equal(new Set(ids).size, ids.length)
    }),
    { numRuns: 60 },
  )
})

test('a page of exactly the limit is the last one where nothing comes behind it', async (t) => {
  const { call, url } = await open(t, [])
  await insertAnomalies(url, [{ id: 'a' }, { id: 'b' }])
  assert.equal((await json(call('GET', `${ANOMALIES}?limit=2`))).next_cursor, null)
  assert.notEqual((await json(call('GET', `${ANOMALIES}?limit=1`))).next_cursor, null)
})

test('a cursor is for its own list, filter and order, whatever the limit and the parameters’ order are', async (t) => {
  const { call, url } = await open(t, [], MANY)
  await insertAnomalies(url, [{ id: 'a' }, { id: 'b' }, { id: 'c' }])
  const path = `${ANOMALIES}?status=NEW,FRAUD&min_score=0.5`
  const { next_cursor } = await json(call('GET', `${path}&limit=1`))
  const status = async (query: string) => (await call('GET', `${ANOMALIES}?${query}`)).status
  const cursor = `cursor=${next_cursor}`
  assert.equal(await status(`${cursor}&min_score=0.5&status=FRAUD&status=NEW&limit=5`), 200)
  assert.equal(await status(`${cursor}&min_score=0.6&status=NEW,FRAUD`), 422)
  assert.equal(await status(`${cursor}&min_score=0.5`), 422)
  assert.equal(await status(`${cursor}&min_score=0.5&status=NEW,FRAUD&order=loss`), 422)
  assert.equal(await status(`${cursor}&min_score=0.5&status=NEW,FRAUD&account=ACC-1`), 422)
  const timeline = await call('GET', `/api/v1/accounts/ACC-1/transactions?${cursor}`)
  assert.equal(timeline.status, 422)
  assert.deepEqual((await json(timeline)).errors[0].parameter, 'cursor')
})

test('what is no cursor is told so, and nothing of it reaches the database', async (t) => {
  const { call } = await open(t, [], MANY)
  const { next_cursor } = await (async () => {
    const { call, url } = await open(t, [])
    await insertAnomalies(url, [{ id: 'a' }, { id: 'b' }])
    return json(call('GET', `${ANOMALIES}?limit=1`))
  })()
  const content = JSON.parse(Buffer.from(next_cursor, 'base64url').toString())
  const made = (change: (content: unknown[]) => void) => {
    const copy = structuredClone(content)
    change(copy)
    return Buffer.from(JSON.stringify(copy)).toString('base64url')
  }
  const wrong = [
    'x',
    'bm8',
    made((c) => c.splice(0, 1, 2)),
    made((c) => c.splice(2, 1, ['1e-60', content[2][1], 'a'])),
    made((c) => c.splice(2, 1, ['NaN', content[2][1], 'a'])),
    made((c) => c.splice(2, 1, ['-0.8', 'infinity', 'a'])),
    made((c) => c.splice(2, 1, ['-0.8', '2026-02-31T00:00:00.000000Z', 'a'])),
    made((c) => c.splice(2, 1, ['-0.8', '0000-01-01T00:00:00.000000Z', 'a'])),
    made((c) => c.splice(2, 1, ['-0.8', content[2][1], 'a\0b'])),
    made((c) => c.splice(2, 1, ['-0.8', content[2][1]])),
  ]
  for (const cursor of wrong) {
    const answer = await call('GET', `${ANOMALIES}?cursor=${cursor}`)
    assert.equal(answer.status, 422, Buffer.from(cursor, 'base64url').toString())
  }
  assert.equal((await call('GET', `${ANOMALIES}?cursor=${next_cursor}`)).status, 200)
})

test('walking a timeline by cursors gives all transactions of the account, newest first, each once', async (t) => {
  const { call, url } = await open(t, [], MANY)
  const run = fc.record({
    rows: fc.array(row, { maxLength: 25 }),
    limit: fc.integer({ min: 1, max: 6 }),
  })
  await fc.assert(
    fc.asyncProperty(run, async ({ rows, limit }) => {
      await query(url, 'TRUNCATE transactions')
      const mine = rows.map((row, i) => ({ ...row, id: `t${i}` }))
      await insertAnomalies(url, [...mine, { id: 'other', account: 'ACC-2' }])
      const ids = await walk(call, `/api/v1/accounts/ACC-1/transactions?limit=${limit}`)
      const time = ({ time }: QueueRow) => time!.replace(/(\.\d{3})Z/, '$1000Z')
      const wanted = mine.toSorted((a, b) =>
        time(a) === time(b) ? (a.id < b.id ? -1 : 1) : time(a) < time(b) ? 1 : -1,
      )
      assert.deepEqual(
        ids,
        wanted.map(({ id }) => id),
      )
    }),
    { numRuns: 30 },
  )
})

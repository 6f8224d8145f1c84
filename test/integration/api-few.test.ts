import assert from 'node:assert/strict'
import { test } from 'node:test'
import { query } from '../harness.ts'
import { json } from '../unit/api-app.ts'
import { ANOMALIES, open } from './api-rows.ts'

/** More than are read and sorted sooner than a queue is walked for them. */
const ROWS = 6000

/** Of each kind of condition one that many have, one that few have, and one that none has. */
const CONDITIONS = {
  terms: ['', 'category=Many', 'category=Few', 'merchant=M-none', 'category=Many&account=ACC-7'],
  amounts: ['', 'min_amount=10&max_amount=19.99', 'min_amount=1000', 'max_amount=0.5'],
  times: ['', 'from=2026-09-01T00:00:00Z', 'from=2026-11-20T00:00:00Z&to=2026-11-20T01:00:00Z'],
  rest: ['', 'order=loss&min_score=0.9', 'status=FRAUD,NEW'],
}

const paths = (): string[] =>
  Object.values(CONDITIONS).reduce(
    (all, choices) => all.flatMap((path) => choices.map((choice) => `${path}${choice && `&${choice}`}`)),
    ['limit=1000'],
  )

test('a list is the same whether an index finds the few or the queues are walked', async (t) => {
  const { call, url } = await open(t, [], { env: { RATE_LIMIT_READ: '1000000' } })
  await query(
    url,
    `SELECT ensure_transactions_partition(('2026-' || m || '-01 UTC')::timestamptz) FROM generate_series(9, 11) m`,
  )
  await query(
    url,
    `INSERT INTO transactions
     SELECT 't-' || n, 'ACC-' || n % 900, '2026-09-01 UTC'::timestamptz + n * interval '20 minutes',
            CASE WHEN n % 100 = 0 THEN 1000 + n ELSE 10 + n % 10 END, 'EUR', 'M-1',
            CASE WHEN n % 90 = 0 THEN 'Few' ELSE 'Many' END, '', 'ATM', NULL, 0.7 + (n % 31) * 0.01, TRUE, 'MODEL',
            '[{"code":"MODEL"}]', '{}', (ARRAY['NEW','INVESTIGATED','FRAUD','DISMISSED',NULL])[1 + n % 5], 'r', 'm', 0, n
     FROM generate_series(1, ${ROWS}) n`,
  )
  const sizes = new Set<number>()
  for (const path of paths()) {
    const ids = await list(call, path)
    assert.deepEqual(ids, await expected(url, path), path)
    sizes.add(ids.length)
  }
  assert.ok(sizes.has(0) && sizes.has(1000) && sizes.size > 10, [...sizes].join())
})

async function list(call: Awaited<ReturnType<typeof open>>['call'], path: string): Promise<string[]> {
  const answer = await json(call('GET', `${ANOMALIES}?${path}`))
  return answer.data.map((item: { transaction_id: string }) => item.transaction_id)
}

/** The list by the plainest statement that there is. */
async function expected(url: string, path: string): Promise<string[]> {
  const of = new URLSearchParams(path)
  const has = (name: string, sql: (value: string) => string) => {
    const value = of.get(name)
    return value === null ? 'TRUE' : sql(`'${value}'`)
  }
  const rows = await query<{ transaction_id: string }>(
    url,
    `SELECT transaction_id FROM transactions WHERE is_anomaly
       AND ${has('category', (v) => `merchant_category = ${v}`)} AND ${has('merchant', (v) => `merchant_id = ${v}`)}
       AND ${has('account', (v) => `account_id = ${v}`)} AND ${has('min_amount', (v) => `amount >= ${v}`)}
       AND ${has('max_amount', (v) => `amount <= ${v}`)} AND ${has('from', (v) => `timestamp >= ${v}`)}
       AND ${has('to', (v) => `timestamp < ${v}`)} AND ${has('min_score', (v) => `score >= ${v}::real`)}
       AND ${has('status', (v) => `coalesce(status, 'NEW') = ANY(string_to_array(${v}, ','))`)}
     ORDER BY ${of.has('order') ? 'round(amount * score::numeric, 4)' : 'score'} DESC, timestamp, transaction_id LIMIT 1000`,
  )
  return rows.map(({ transaction_id }) => transaction_id)
}

test("an account's earlier anomalies are its ten newest before, whether it has few or many", async (t) => {
  const { call, url } = await open(t, [])
  await query(url, `SELECT ensure_transactions_partition('2026-11-01 UTC')`)
  // Every hundredth is of the account that has few: 30, and the other 2,970.
  await query(
    url,
    `INSERT INTO transactions
     SELECT 't-' || n, CASE WHEN n % 100 = 0 THEN 'ACC-few' ELSE 'ACC-many' END,
            '2026-11-02 UTC'::timestamptz + n * interval '10 minutes', 1, 'EUR', 'M-1', '', '', 'ATM', NULL, 0.8, TRUE,
            'MODEL', '[{"code":"MODEL"}]', '{}', 'NEW', 'r', 'm', 0, n
     FROM generate_series(1, 3000) n`,
  )
  const earlier = async (id: string) =>
    (await json(call('GET', `${ANOMALIES}/${id}`))).earlier_anomalies.map(
      (item: { transaction_id: string }) => item.transaction_id,
    )
  const numbers = (...from: number[]) => from.map((n) => `t-${n}`)
  assert.deepEqual(await earlier('t-1500'), numbers(1400, 1300, 1200, 1100, 1000, 900, 800, 700, 600, 500))
  assert.deepEqual(
    await earlier('t-1503'),
    numbers(1502, 1501, 1499, 1498, 1497, 1496, 1495, 1494, 1493, 1492),
  )
  assert.deepEqual(await earlier('t-200'), numbers(100))
  assert.deepEqual(await earlier('t-1'), [])
})

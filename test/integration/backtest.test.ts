import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { type TestContext, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { pythonWithLightgbm } from '../../pipeline/train/python.ts'
import { cacheDirectory } from '../../schemas/cache-directory.ts'
import { loadSettings } from '../../schemas/settings.ts'
import { formatAmount, type Transaction } from '../../schemas/transaction.ts'
import { query, testSettings } from '../harness.ts'
import { runToEnd } from '../support/pipelines.ts'
import { simulated } from '../support/simulated.ts'
import { ALL_FEATURES } from '../support/tables.ts'
import { sendTransactions } from '../support/topics.ts'

const { WEIR_CACHE_DIR } = loadSettings()

/** `npm run backtest -- …` as a process of its own, to its end. */
async function backtest(env: Record<string, string>, ...args: string[]) {
  const cache = WEIR_CACHE_DIR === undefined ? {} : { WEIR_CACHE_DIR }
  const child = spawn(process.execPath, ['--import', 'tsx', 'deploy/weir.ts', 'backtest', ...args], {
    env: { PATH: process.env.PATH, HOME: process.env.HOME, ...cache, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const [out, errors] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')])
  return { code: child.exitCode, out, errors, json: () => JSON.parse(out) }
}

/** The transactions as a file of JSON lines, and a line that is none. */
function fileOf(t: TestContext, transactions: Transaction[]): string {
  const directory = mkdtempSync(join(tmpdir(), 'weir-test-'))
  t.after(() => rmSync(directory, { recursive: true }))
  const lines = transactions.map((tx) => JSON.stringify({ ...tx, amount: formatAmount(tx.amount) }))
  const path = join(directory, 'transactions.ndjson.gz')
  writeFileSync(path, gzipSync(`${lines.join('\n')}\n{"no": "transaction"}\n`))
  return path
}

const SPAN = ['--test-from', '2026-04-20', '--test-to', '2026-05-10']
const TRAINED = ['--train-from', '2026-01-10', '--train-until', '2026-04-10', ...SPAN]

const within = (transactions: Transaction[], from: string, to: string): Transaction[] =>
  transactions.filter(({ timestamp }) => timestamp >= Date.parse(from) && timestamp < Date.parse(to))

test('a file is tested by what is shipped, in the test span or as a whole, for machines and for people', async (t) => {
  const transactions = simulated(12_000, 5)
  const input = ['--input', fileOf(t, transactions)]
  const whole = (await backtest({}, ...input, '--json')).json()
  assert.equal(whole.rows, 12_000)
  assert.equal(whole.frauds, transactions.filter((tx) => tx.is_fraud).length)
  assert.equal(whole.left_out, 0)
  assert.ok(whole.auc_roc > 0.7 && whole.auc_roc < 1, `${whole.auc_roc}`)
  assert.ok(whole.tx_per_second > 1000)
  assert.deepEqual(Object.keys(whole).includes('compared'), false)

  const tested = within(transactions, '2026-04-20', '2026-05-10')
  const all = (await backtest({}, ...input, ...SPAN, '--keep-known', '--json')).json()
  assert.equal(all.rows, tested.length)
  assert.equal(all.days, 20)
  const { json, errors } = await backtest({}, ...input, ...SPAN, '--alerts-per-day', '1', '--json')
  const some = json()
  assert.ok(some.left_out > 0)
  assert.equal(some.rows + some.left_out, tested.length)
  assert.ok(some.at_threshold.alerts_per_day <= 1)
  assert.match(errors, /1 line.* left out/)

  const shown = await backtest({}, ...input, ...SPAN)
  assert.equal(shown.code, 0)
  assert.match(
    shown.out,
    new RegExp(`^Tested: ${some.rows} transactions of 20 days, ${some.frauds} of them`, 'm'),
  )
  assert.match(shown.out, new RegExp(`^AUC ROC +${some.auc_roc.toFixed(4)}$`, 'm'))
})

test('options that cannot be served end with what to do', async (t) => {
  const input = ['--input', fileOf(t, simulated(10, 5))]
  for (const [args, message] of [
    [['--json'], /one of: --input FILE/],
    [[...input, '--train-from', '2026-01-10', '--train-until', '2026-01-20'], /need --test-from/],
    [[...input, '--model', 'lightgbm'], /train one, by --train-from/],
    [[...input, '--model', 'lightgbm-123'], /no file lightgbm-123.*DATABASE_URL/],
    [[...input, '--model', 'package-lock.json'], /cannot be read/],
    [[...input, '--model', 'README.md'], /README.md is no model's file/],
    [[...input, ...SPAN], /no transaction to test/],
    [['--input', '/no/such/file'], /cannot read \/no\/such\/file/],
  ] as const) {
    const { code, out, errors } = await backtest({}, ...args)
    assert.equal(code, 1)
    assert.equal(out, '')
    assert.match(errors, message)
  }
})

test('a model is trained on what is known when the test begins, and the same seed gives the same figures', async (t) => {
  const input = ['--input', fileOf(t, simulated(12_000, 5))]
  const forest = [...input, ...TRAINED, '--model', 'isolation-forest', '--seed', '3', '--json']
  const figures = async (args: string[]) => {
    const { code, errors, json } = await backtest({}, ...args)
    assert.equal(code, 0, errors)
    const { tx_per_second: _, ...rest } = json()
    return rest
  }
  const first = await figures(forest)
  assert.match(first.model, /^isolation-forest-/)
  assert.deepEqual(await figures(forest), first)

  try {
    const options = { cache: cacheDirectory(WEIR_CACHE_DIR), signal: new AbortController().signal, say() {} }
    await pythonWithLightgbm(options)
  } catch (error) {
    if (process.env.CI) throw error
    t.diagnostic(`LightGBM left out: ${(error as Error).message}`)
    return
  }
  const boosted = [...input, ...TRAINED, '--trees', '20', '--leaves', '7', '--json']
  const second = await figures(boosted)
  assert.match(second.model, /^lightgbm-/)
  assert.equal(second.trained.trees, 20)
  assert.ok(second.average_precision > 0.3, `${second.average_precision}`)
  assert.deepEqual(await figures(boosted), second)
})

test('a history stored from empty state, replayed in its own order by the same versions, gives identical decisions', async (t) => {
  const judged = { ...ALL_FEATURES, LABEL_DELAY_DAYS: '7' }
  const settings = await testSettings(t, { ...judged, BATCH_MAX_RECORDS: '300' })
  const { DATABASE_URL } = settings
  const transactions = simulated(4000, 61)
  await sendTransactions(settings, transactions)
  await runToEnd(settings)
  const env = { DATABASE_URL, ...judged }
  const span = ['--from', '2026-01-01', '--to', '2027-01-01', '--json']
  const replayed = (await backtest(env, ...span)).json()
  assert.deepEqual([replayed.rows, replayed.compared, replayed.differing], [4000, 4000, 0])
  assert.equal(replayed.frauds, transactions.filter((tx) => tx.is_fraud).length)
  const [{ known }] = await query<{ known: number }>(
    DATABASE_URL,
    `SELECT count(*) AS known FROM transactions WHERE (features ->> 'merchant_known_30d')::float > 0`,
  )
  assert.ok(known > 1000, `labels of the past were among what decided: ${known}`)

  // It would be seen: another score, another reason, a label that came later; other versions are not compared.
  const change = (what: string, offset: number) =>
    query(
      DATABASE_URL,
      `UPDATE transactions SET ${what} WHERE (kafka_partition, kafka_offset) = (0, ${offset})`,
    )
  await change('score = score + 0.0000001', 40)
  await change(`features = features || '{"amount": 1}'`, 50)
  await change(`model_version = 'another'`, 60)
  await query(
    DATABASE_URL,
    `INSERT INTO labels (transaction_id, timestamp, is_fraud, origin, known_at)
     SELECT transaction_id, timestamp, true, 'test', now() FROM transactions
     WHERE (kafka_partition, kafka_offset) = (0, 70)`,
  )
  const { json, errors } = await backtest(env, ...span)
  const after = json()
  assert.deepEqual([after.compared, after.differing], [3999, 2])
  assert.equal(after.frauds, replayed.frauds + 1)
  assert.match(errors, /differs: .*partition 0, offset 40/)
})

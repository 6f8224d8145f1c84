import assert from 'node:assert/strict'
import { test } from 'node:test'
import { transactionSchemaId } from '../../schemas/registry.ts'
import { formatAmount, type Transaction, transactionType } from '../../schemas/transaction.ts'
import { testSettings } from '../harness.ts'
import { javaAvro } from '../support/java-avro.ts'
import { runToEnd } from '../support/pipelines.ts'
import { simulated } from '../support/simulated.ts'
import { storedRows } from '../support/tables.ts'
import { sendMessages } from '../support/topics.ts'
import { transaction } from '../support/transactions.ts'

const edges: Transaction[] = [
  ...[0, 1, 127, 128, 255, 256, 32_767, 32_768, 10_000, 2 ** 31, 2 ** 47 - 1, 9_999_999_999_999].map(
    (amount) => ({
      amount,
    }),
  ),
  { timestamp: Date.UTC(2000, 0, 1) },
  { merchant_id: null, merchant_category: '', location: '' },
  { merchant_id: '', is_fraud: true },
  { location: 'Zürich 東京 🏦 e\u0301', channel: 'OTHER' as const, is_fraud: false },
  { merchant_category: 'x'.repeat(5000), channel: 'TRANSFER' as const, currency: 'JPY' },
].map((given, i) => transaction({ transaction_id: `edge-${i}`, ...given }))
const transactions = edges.filter((tx) => tx.amount < 10 ** 13).concat(simulated(300, 11))

const plain = (tx: Transaction) => ({ ...tx, amount: formatAmount(tx.amount) })

test("transactions that Avro's Java implementation encoded are stored with the same values", async (t) => {
  const settings = await testSettings(t)
  const id = await transactionSchemaId(settings, settings.TRANSACTIONS_TOPIC, true)
  const header = Buffer.alloc(5)
  header.writeUInt32BE(id, 1)
  const encoded = await javaAvro(
    'encode',
    transactions.map((tx) => JSON.stringify(plain(tx))),
  )
  await sendMessages(
    settings,
    encoded.map((line, i) => ({
      key: transactions[i].account_id,
      value: Buffer.concat([header, Buffer.from(line, 'base64')]),
    })),
  )
  await runToEnd(settings)

  const rows = await storedRows(settings.DATABASE_URL)
  assert.equal(rows.length, transactions.length)
  const stored = new Map(rows.map((row) => [row.transaction_id, row]))
  for (const tx of transactions) {
    const row = stored.get(tx.transaction_id)!
    const { timestamp, ...columns } = plain(tx)
    assert.equal(row.ms, timestamp)
    for (const [name, value] of Object.entries(columns))
      assert.deepEqual(row[name as keyof typeof row], value, `${tx.transaction_id}: ${name}`)
  }
})

test("transactions that we encode are read by Avro's Java implementation to the same values, byte for byte", async () => {
  const encoded = transactions.map((tx) => transactionType.toBuffer(tx).toString('base64'))
  const decoded = await javaAvro('decode', encoded)
  assert.deepEqual(
    decoded.map((line) => JSON.parse(line)),
    transactions.map(plain),
  )
  const theirs = await javaAvro(
    'encode',
    transactions.map((tx) => JSON.stringify(plain(tx))),
  )
  assert.deepEqual(theirs, encoded)
})

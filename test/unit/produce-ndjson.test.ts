import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { BadLine } from '../../pipeline/produce/batch.ts'
import { transactionLines } from '../../pipeline/produce/parse-fields.ts'
import { parseNdjson } from '../../pipeline/produce/parse-ndjson.ts'
import type { Transaction } from '../../schemas/transaction.ts'

async function read(...lines: (string | Buffer)[]) {
  async function* chunks() {
    for (const line of lines) yield Buffer.concat([Buffer.from(line as string), Buffer.from('\n')])
  }
  const result = {
    transactions: [] as Transaction[],
    bad: [] as BadLine[],
    rounded: 0,
    warnings: [] as string[],
  }
  const warn = (message: string) => void result.warnings.push(message)
  for await (const { items, bad } of parseNdjson(chunks(), transactionLines, warn)) {
    result.transactions.push(...items.map((item) => item.transaction))
    result.bad.push(...bad)
    result.rounded += items.filter((item) => item.rounded).length
  }
  return result
}

/** A line with these members, as JSON texts, besides the required ones. */
const line = (members: Record<string, string> = {}) => {
  const all = { transaction_id: '"t"', account_id: '"a"', timestamp: '"2026-01-01"', amount: '1', ...members }
  return `{${Object.entries(all)
    .map(([key, text]) => `${JSON.stringify(key)}:${text}`)
    .join(',')}}`
}

describe('an NDJSON line', () => {
  const read1 = async (members: Record<string, string>) => {
    const { transactions, bad } = await read(line(members))
    assert.deepStrictEqual(bad, [])
    return transactions[0]
  }

  const amounts: [edge: string, text: string, units: number][] = [
    ['a number', '12.5', 125_000],
    ['a text', '"12.5"', 125_000],
    ['a number whose digits a double would lose', '900719925474.0991', Number.MAX_SAFE_INTEGER],
    ['a half that a double would not hold', '0.00025', 2],
    ['a half with digits that a double would lose', '0.000250000000000000000001', 3],
    ['an exponent', '1.5E-3', 15],
    ['a negative number', '-0.5', -5000],
  ]
  for (const [edge, text, units] of amounts) {
    test(`has an exact amount: ${edge}`, async () =>
      assert.equal((await read1({ amount: text })).amount, units))
  }

  test('may give the timestamp as a number of milliseconds', async () => {
    assert.equal((await read1({ timestamp: '1795492800123' })).timestamp, 1795492800123)
  })

  for (const [text, label] of [
    ['true', true],
    ['false', false],
    ['null', null],
    ['0', false],
    ['1', true],
    ['"0"', false],
    ['"true"', true],
    ['""', null],
  ] as const) {
    test(`with is_fraud ${text} is labelled ${label}`, async () =>
      assert.equal((await read1({ is_fraud: text })).is_fraud, label))
  }

  test('takes null for absent', async () => {
    const nulls = Object.fromEntries(
      ['currency', 'merchant_id', 'location', 'channel'].map((key) => [key, 'null']),
    )
    assert.deepStrictEqual(await read1(nulls), await read1({}))
  })

  test('takes a number for an id as it is written', async () => {
    assert.equal((await read1({ account_id: '12345678901234567890' })).account_id, '12345678901234567890')
  })

  const bad: [what: string, text: string | Buffer, reason: RegExp][] = [
    ['is no JSON', '{"transaction_id":', /^is not JSON$/],
    ['holds two objects', `${line()}${line()}`, /^is not JSON$/],
    ['is an array', `[${line()}]`, /^is not a JSON object$/],
    ['is a number', '5', /^is not a JSON object$/],
    ['is null', 'null', /^is not a JSON object$/],
    ['has null for a required value', line({ amount: 'null' }), /^amount is missing$/],
    ['has an empty id', line({ transaction_id: '""' }), /^transaction_id is missing$/],
    [
      'has an object for a value',
      line({ location: '{"city":"Oulu"}' }),
      /^location .* is no value for this field$/,
    ],
    [
      'has a boolean for an id',
      line({ account_id: 'true' }),
      /^account_id "true" is no value for this field$/,
    ],
    ['has half a character', line({ location: '"\\ud800"' }), /^location .* is not valid Unicode$/],
    ['has a timestamp beyond all dates', line({ timestamp: '1e300' }), /^timestamp 1e300 is out of range$/],
    ['has a label that is none', line({ is_fraud: '0.5' }), /^is_fraud "0.5" is none of/],
    ['is not UTF-8', Buffer.from(line({ location: '"Malmö"' }), 'latin1'), /^is not valid UTF-8$/],
  ]
  for (const [what, text, reason] of bad) {
    test(`that ${what} is bad, and its neighbours are sent`, async () => {
      const result = await read(line(), text, '', line())
      assert.equal(result.transactions.length, 2)
      assert.deepStrictEqual(
        result.bad.map((b) => b.line),
        [2],
      )
      assert.match(result.bad[0].reason, reason)
    })
  }

  test('with unknown keys gives one warning for each of them', async () => {
    const { warnings, transactions } = await read(line({ note: '1' }), line({ note: '2', x: '[]' }), line())
    assert.deepStrictEqual(warnings, ['keys ignored: "note"', 'keys ignored: "x"'])
    assert.equal(transactions.length, 3)
  })

  test('counts an amount of more than four decimals as rounded', async () => {
    assert.equal((await read(line({ amount: '1.00000' }), line({ amount: '1.0000' }))).rounded, 1)
  })
})

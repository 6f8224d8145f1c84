import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { decodeValue } from '../../pipeline/dead-letters/decode-value.ts'
import { origins, time } from '../../pipeline/dead-letters/options.ts'
import { REMEDIES, remedyOf } from '../../pipeline/dead-letters/remedies.ts'
import { REJECT_CODES } from '../../pipeline/errors.ts'
import { createLogger } from '../../schemas/log.ts'
import { isoTime, jsonLine, printable, table } from '../../schemas/printable.ts'
import { transactionType } from '../../schemas/transaction.ts'
import { frame } from '../../schemas/wire.ts'
import { NOON, transaction } from '../support/transactions.ts'

const log = createLogger('test', 'silent')

test('the documentation has every code of the closed list, in its order, with a cause and the remedy that show prints', () => {
  const page = readFileSync(new URL('../../docs/dead-letters.md', import.meta.url), 'utf8')
  const rows = page
    .split('\n')
    .filter((line) => line.startsWith('| `'))
    .map((line) => line.split('|').map((cell) => cell.trim()))
  assert.deepEqual(
    rows.map(([, code]) => code),
    Object.keys(REJECT_CODES).map((code) => `\`${code}\``),
  )
  assert.deepEqual(
    rows.map(([, , , remedy]) => remedy),
    Object.keys(REJECT_CODES).map(remedyOf),
  )
  for (const [, code, cause] of rows) assert.ok(cause.length > 10, code)
  assert.deepEqual(Object.keys(REMEDIES), Object.keys(REJECT_CODES))
  assert.match(remedyOf('OF_A_NEWER_VERSION'), /does not know/)
})

describe('what is printed', () => {
  test('moves no cursor, changes no colour and hides nothing, whatever was sent', () => {
    assert.equal(
      printable('a\x1b[31mb\nc\x9bd\u202ee\u2028f'),
      'a\\u001b[31mb\\u000ac\\u009bd\\u202ee\\u2028f',
    )
    assert.equal(printable('Zürich 東京 🏦'), 'Zürich 東京 🏦')
    assert.equal(printable('\u{e0041}'), '\\udb40\\udc41')
  })

  test('as JSON is the same value when it is read', () => {
    const value = { text: 'a\x1b\x7f\x9b\u202e\u{e0041}\ud800"\\' }
    const line = jsonLine(value)
    assert.match(line, /^[\x20-\x7e]+$/)
    assert.deepEqual(JSON.parse(line), value)
  })

  test('has columns as wide as their widest cell, and times that no date can hold as numbers', () => {
    assert.equal(
      table([
        ['a', 'bb', 'c'],
        ['aaa', 'b', 'cc'],
      ]),
      'a    bb  c\naaa  b   cc',
    )
    assert.equal(isoTime(NOON), new Date(NOON).toISOString())
    assert.equal(isoTime(9e15), '9000000000000000')
  })
})

describe('options', () => {
  test('take a time in ISO 8601, or so long ago', () => {
    assert.equal(time('2026-11-24T12:00:00Z'), NOON)
    assert.equal(time('2026-11-24'), NOON - 12 * 3_600_000)
    const ago = Date.now() - time('90m')
    assert.ok(ago >= 90 * 60_000 && ago < 91 * 60_000, String(ago))
    for (const text of ['', 'yesterday', '2026-02-30', '7w', '-1h'])
      assert.throws(() => time(text), /Expected a time/)
  })

  test('take origins as topic/partition/offset only', () => {
    assert.deepEqual(origins('transactions/0/12', ['a.b/1/2']), ['a.b/1/2', 'transactions/0/12'])
    for (const text of ['transactions', 'transactions/1', 'a/b/c', 'a/1/2/3', '/1/2', 'a b/1/2'])
      assert.throws(() => origins(text), /topic\/partition\/offset/, text)
  })
})

describe('a value', () => {
  test('is read by our own schema where no registry is set, and the note says so', async () => {
    const value = frame(77, transactionType, transaction({ transaction_id: 't', amount: -1 }))
    const { transaction: read, note } = await decodeValue(value, undefined, log)
    assert.equal(read!.transaction_id, 't')
    assert.equal(read!.amount, '-0.0001')
    assert.equal(read!.timestamp, new Date(NOON).toISOString())
    assert.match(note, /own schema; schema 77 was not asked for: SCHEMA_REGISTRY_URL is not set/)
  })

  test('is read by our own schema where the registry does not answer', async () => {
    const value = frame(77, transactionType, transaction())
    const { transaction: read, note } = await decodeValue(
      value,
      { SCHEMA_REGISTRY_URL: 'http://127.0.0.1:1' },
      log,
    )
    assert.ok(read !== null)
    assert.match(note, /the registry does not give schema 77/)
  })

  test('that cannot be read is told with the reason', async () => {
    const value = frame(77, transactionType, transaction())
    const noteOf = async (bytes: Buffer | null) => {
      const { transaction: read, note } = await decodeValue(bytes, undefined, log)
      assert.equal(read, null)
      return note
    }
    assert.match(await noteOf(null), /no value/)
    assert.match(await noteOf(Buffer.alloc(0)), /no value/)
    assert.match(await noteOf(Buffer.from('{"a":1}')), /zero byte/)
    assert.match(await noteOf(value.subarray(0, -1)), /truncated/)
    assert.match(await noteOf(Buffer.concat([value, value])), /too many bytes/)
  })
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Writers } from '../../pipeline/decode/writers.ts'
import { LABELS, readLabel } from '../../pipeline/labels/read-label.ts'
import { type Label, labelSchemaText, labelType } from '../../schemas/label.ts'
import { createLogger } from '../../schemas/log.ts'
import { frame } from '../../schemas/wire.ts'
import { label } from '../support/labels.ts'
import { DAY, NOON, record } from '../support/transactions.ts'
import { OUR_ID, registryOf } from '../support/writers.ts'

const quiet = createLogger('test', 'silent')
const SENT = record(null).timestamp

/** What a value reads as. */
async function read(value: Buffer | null, types: Record<number, unknown> = {}): Promise<Label | string> {
  const registry = registryOf({ [OUR_ID]: labelType, ...types })
  const writers = new Writers(registry, quiet, new AbortController().signal, LABELS)
  await writers.load(value !== null && value.length >= 5 ? [value.readUInt32BE(1)] : [])
  return readLabel(record(value), writers)
}

const encoded = (changes: Partial<Label>): Buffer => frame(OUR_ID, labelType, label(changes))

test('the label’s schema is the one that the documents promise', () => {
  const millis = { type: 'long', logicalType: 'timestamp-millis' }
  const { namespace, name, fields } = JSON.parse(labelSchemaText)
  assert.equal(`${namespace}.${name}`, 'weir.Label')
  assert.deepEqual(
    fields.map((field: { name: string; type: unknown }) => [field.name, field.type]),
    [
      ['transaction_id', 'string'],
      ['timestamp', millis],
      ['is_fraud', 'boolean'],
      ['origin', 'string'],
      ['known_at', millis],
    ],
  )
})

test('a label has the bytes that Avro prescribes, and comes back as it went in', async () => {
  const value = frame(
    OUR_ID,
    labelType,
    label({ transaction_id: 'tx', timestamp: 1, origin: 'o', known_at: 2 }),
  )
  assert.equal(value.toString('hex'), `0000000001${'04'}7478${'02'}${'01'}${'02'}6f${'04'}`)
  const full = label({ transaction_id: 'Zürich 🏔', is_fraud: false })
  assert.deepEqual({ ...((await read(encoded(full))) as Label) }, full)
})

const cases: [string, Partial<Label>, RegExp | null][] = [
  ['a transaction_id of 64 bytes', { transaction_id: 'x'.repeat(64) }, null],
  ['a transaction_id of 65 bytes', { transaction_id: 'x'.repeat(65) }, /^transaction_id/],
  ['an empty transaction_id', { transaction_id: '' }, /^transaction_id/],
  ['an origin of 33 letters of two bytes', { origin: 'é'.repeat(33) }, /^origin/],
  ['an empty origin', { origin: '' }, /^origin/],
  ['an origin that only the API may write', { origin: 'analyst:alice' }, /^origin/],
  ['an origin that resembles it', { origin: 'analyst' }, null],
  ['the first event time', { timestamp: Date.UTC(2000, 0, 1) }, null],
  ['an event time before it', { timestamp: Date.UTC(2000, 0, 1) - 1 }, /^timestamp/],
  ['an event time that no date holds', { timestamp: 8.65e15 }, /^timestamp/],
  ['a time known a day after the record', { known_at: SENT + DAY }, null],
  ['a time known a day and a bit after it', { known_at: SENT + DAY + 1 }, /^known_at/],
  ['a time known before the event', { known_at: NOON - DAY }, null],
  ['a time known in seconds', { known_at: NOON / 1000 }, /^known_at/],
  ['a NUL in the transaction_id', { transaction_id: 'a\0' }, /NUL/],
  ['a NUL in the origin', { origin: '\0' }, /NUL/],
]
for (const [what, changes, fault] of cases) {
  test(`${what} is ${fault === null ? 'valid' : 'no label'}`, async () => {
    const result = await read(encoded(changes))
    if (fault === null) assert.deepEqual({ ...(result as Label) }, label(changes))
    else assert.match(String(result), fault)
  })
}

test('a text that is not UTF-8 is no label, a replacement character that was sent is one', async () => {
  const value = encoded({ origin: 'a~' })
  value[value.indexOf('~')] = 0xff
  assert.match(String(await read(value)), /UTF-8/)
  assert.equal(((await read(encoded({ origin: '\ufffd' }))) as Label).origin, '\ufffd')
})

test('what is no framed Avro of a schema that fits is no label', async () => {
  const whole = encoded({})
  assert.match(String(await read(null)), /no value/)
  assert.match(String(await read(Buffer.alloc(0))), /no value/)
  assert.match(String(await read(Buffer.from('abc'))), /schema id/)
  assert.match(String(await read(whole.subarray(0, -1))), /UNDECODABLE: truncated/)
  assert.match(String(await read(Buffer.concat([whole, whole]))), /UNDECODABLE: \d+ bytes too many/)
  const other = Buffer.from(whole)
  other.writeUInt32BE(2, 1)
  assert.match(String(await read(other, { 2: { kind: 'json' } })), /^INCOMPATIBLE_SCHEMA/)
})

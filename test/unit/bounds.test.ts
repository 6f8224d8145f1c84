import assert from 'node:assert/strict'
import { test } from 'node:test'
import type avro from 'avsc'
import { itemCountsFit } from '../../pipeline/decode/bounds.ts'
import { frame } from '../../schemas/wire.ts'
import { transaction } from '../support/transactions.ts'
import { codeOf, registryOf, withExtraField, writersOf } from '../support/writers.ts'

const NULLS = withExtraField({ type: 'array', items: 'null' })
const LONGS = withExtraField({ type: 'array', items: 'long' })
const MAP = withExtraField({ type: 'map', values: 'null' })
const ERROR = withExtraField({
  type: 'error',
  name: 'Fault',
  fields: [{ name: 'parts', type: { type: 'array', items: 'null' } }],
})
const DEEP = withExtraField({
  type: 'record',
  name: 'Node',
  fields: [{ name: 'next', type: ['null', 'Node'] }],
})

/** A value of our fields, then these bytes as the extra field. */
function valueWith(bytes: Buffer): Buffer {
  const value = frame(2, NULLS, { ...transaction(), extra: [] })
  return Buffer.concat([value.subarray(0, -1), bytes])
}

/** Zigzag varints, as Avro writes longs. */
const longs = (...numbers: number[]): Buffer =>
  Buffer.from(
    numbers.flatMap((number) => {
      const bytes: number[] = []
      let rest = BigInt.asUintN(64, (BigInt(number) << 1n) ^ (BigInt(number) >> 63n))
      for (; rest >= 0x80n; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80)
      return [...bytes, Number(rest)]
    }),
  )

/** The reject's code, which must come within a second: what takes longer would take for ever. */
async function codeSoon(type: avro.Type, bytes: Buffer): Promise<string | null> {
  const began = performance.now()
  const code = await codeOf(valueWith(bytes), writersOf(registryOf({ 2: type })))
  assert.ok(performance.now() - began < 1000)
  return code
}

test('arrays and maps as Avro writes them pass, in one block or in many, with sizes or without', async () => {
  assert.equal(await codeSoon(NULLS, longs(0)), null)
  assert.equal(await codeSoon(NULLS, longs(3, 0)), null)
  assert.equal(await codeSoon(LONGS, longs(2, 7, 8, 1, 9, 0)), null)
  assert.equal(await codeSoon(LONGS, longs(-2, 3, 7, 5000, -1, 1, 9, 0)), null)
  assert.equal(await codeSoon(NULLS, longs(-2, 0, 0)), null)
  assert.equal(await codeSoon(MAP, Buffer.concat([longs(1, 2), Buffer.from('ab'), longs(0)])), null)
})

test('five bytes that claim a billion nulls are UNDECODABLE at once', async () => {
  assert.equal(await codeSoon(NULLS, longs(1e9, 0)), 'UNDECODABLE')
  assert.equal(await codeSoon(NULLS, longs(-1e9, 0, 0)), 'UNDECODABLE')
  assert.equal(await codeSoon(MAP, longs(1e9, 0)), 'UNDECODABLE')
  assert.equal(await codeSoon(ERROR, longs(1e9, 0)), 'UNDECODABLE')
})

test('many blocks that each claim as many nulls as there are bytes are UNDECODABLE at once', async () => {
  const blocks = Buffer.alloc(3 * 200_000, longs(500_000))
  assert.equal(await codeSoon(NULLS, Buffer.concat([blocks, longs(0)])), 'UNDECODABLE')
})

test('a block whose stated size is not that of its items is UNDECODABLE: avsc would jump by it, back and for ever', async () => {
  // One null item, size -2: behind the size avsc would stand at the count again.
  assert.equal(itemCountsFit(NULLS, valueWith(longs(-1, -2, 0)), 5), false)
  assert.equal(await codeSoon(NULLS, longs(-1, -2, 0)), 'UNDECODABLE')
  assert.equal(await codeSoon(LONGS, longs(-1, 2, 7, 0)), 'UNDECODABLE')
  assert.equal(await codeSoon(LONGS, longs(-1, 0, 7, 0)), 'UNDECODABLE')
})

test('negative lengths, numbers without an end and lists without a bottom are UNDECODABLE', async () => {
  assert.equal(await codeSoon(MAP, longs(1, -2, 0)), 'UNDECODABLE')
  assert.equal(await codeSoon(LONGS, Buffer.concat([longs(1), Buffer.alloc(100_000, 0xff)])), 'UNDECODABLE')
  assert.equal(await codeSoon(NULLS, Buffer.alloc(100_000, 0x80)), 'UNDECODABLE')
  assert.equal(await codeSoon(DEEP, Buffer.alloc(1_000_000, 0x02)), 'UNDECODABLE')
})

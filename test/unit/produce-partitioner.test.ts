import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import kafkajs from 'kafkajs'
import { keyPartitioner, murmur2, partitionOf } from '../../pipeline/produce/partitioner.ts'

// From Kafka's own UtilsTest.testMurmur2.
const known: [key: string, hash: number][] = [
  ['21', -973932308],
  ['foobar', -790332482],
  ['a-little-bit-long-string', -985981536],
  ['a-little-bit-longer-string', -1486304829],
  ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58897971],
  ['abc', 479470107],
]
for (const [key, hash] of known) {
  test(`the hash of ${key} is that of Kafka's own clients`, () =>
    assert.equal(murmur2(Buffer.from(key)), hash))
}

const argumentsFor = (key: string, partitions: number) => ({
  topic: 't',
  partitionMetadata: Array.from({ length: partitions }, (_, partitionId) => ({
    partitionId,
    leader: 1,
    partitionErrorCode: 0,
    replicas: [1],
    isr: [1],
  })),
  message: { key, value: '' },
})

test('the partition of any key is that of the default partitioner', () => {
  const [ours, theirs] = [keyPartitioner(), kafkajs.Partitioners.DefaultPartitioner()]
  fc.assert(
    fc.property(
      fc.string({ unit: 'binary', minLength: 1 }),
      fc.integer({ min: 1, max: 50 }),
      (key, partitions) => {
        const given = argumentsFor(key, partitions)
        assert.equal(ours(given), theirs(given))
      },
    ),
  )
})

test('a key of half a megabyte takes no time', () => {
  const started = performance.now()
  keyPartitioner()(argumentsFor('x'.repeat(500_000), 6))
  assert.ok(performance.now() - started < 500)
})

test("an account's partition is that of its records, of whatever letters and length", () => {
  const partitioner = keyPartitioner()
  fc.assert(
    fc.property(
      fc.oneof(fc.string({ maxLength: 70 }), fc.string({ unit: 'binary', maxLength: 30 })),
      fc.integer({ min: 1, max: 50 }),
      (account, partitions) => {
        assert.equal(partitionOf(account, partitions), partitioner(argumentsFor(account, partitions)))
      },
    ),
  )
})

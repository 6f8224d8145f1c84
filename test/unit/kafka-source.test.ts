import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as soon } from 'node:timers/promises'
import type { Batch } from '../../pipeline/batch.ts'
import type { SourceRecord } from '../../pipeline/errors.ts'
import { identify, type LastRecord } from '../../pipeline/source/last-record.ts'
import { transactionType } from '../../schemas/transaction.ts'
import { frame } from '../../schemas/wire.ts'
import { fakeKafka, startedSource } from '../support/fake-kafka.ts'
import { record, transaction } from '../support/transactions.ts'
import { registryOf, writersOf } from '../support/writers.ts'

const withSchema = (id: number, offset: number): SourceRecord =>
  record(frame(id, transactionType, transaction()), { offset })

const records = (from: number, to: number, id = 1): SourceRecord[] =>
  Array.from({ length: to - from }, (_, i) => withSchema(id, from + i))

const ranges = (batches: Batch[]) =>
  batches.map(({ owner, fromOffset, nextOffset }) => [owner.partition, fromOffset, nextOffset])

/** Writers that know the schema 1, and a registry that gives 2 only once it is told to come back. */
async function withoutRegistry() {
  const registry = registryOf({ 2: transactionType })
  const back = Promise.withResolvers<void>()
  const writers = writersOf({
    async getSchema(id: number) {
      if (id === 2) await back.promise
      return registry.getSchema(id)
    },
  })
  await writers.load([1])
  return { asked: registry.asked, back: back.resolve, writers }
}

test('a partition whose schema is not known waits by itself, from its first record on', async () => {
  const { writers, back } = await withoutRegistry()
  const kafka = fakeKafka()
  const { source, drained } = await startedSource(kafka, { writers })
  await kafka.deliver(0, 0, [...records(0, 3), ...records(3, 5, 2), ...records(5, 6)])
  await kafka.deliver(1, 0, records(0, 4))
  assert.deepEqual([...kafka.paused], [0])
  assert.deepEqual(ranges(drained()), [
    [0, 0, 3],
    [1, 0, 4],
  ])
  back()
  await soon()
  assert.deepEqual([[...kafka.paused], kafka.seeks.get(0)], [[], 3])
  await kafka.deliver(0, 3, [...records(3, 5, 2), ...records(5, 6)])
  assert.deepEqual(ranges(drained()), [[0, 3, 6]])
  await source.stop()
})

test('a partition that went elsewhere while its schema was loaded is left alone', async () => {
  const { writers, back } = await withoutRegistry()
  const kafka = fakeKafka()
  const { source } = await startedSource(kafka, { writers })
  await kafka.deliver(0, 0, records(0, 3, 2))
  kafka.join([1])
  await soon()
  kafka.seeks.clear()
  back()
  await soon()
  assert.deepEqual([kafka.paused.has(0), kafka.seeks.has(0)], [true, false])
  await source.stop()
})

test('a partition that is kept in another join while its schema is loaded waits on, and goes on once', async () => {
  const { writers, back, asked } = await withoutRegistry()
  const kafka = fakeKafka()
  const { source, drained } = await startedSource(kafka, { writers })
  await kafka.deliver(0, 0, records(0, 3, 2))
  kafka.join([0, 1])
  while (source.taking > 0) await soon()
  assert.equal(kafka.paused.has(0), false)
  await kafka.deliver(0, 0, records(0, 3, 2))
  assert.equal(kafka.paused.has(0), true)
  back()
  await soon()
  await kafka.deliver(0, 0, records(0, 3, 2))
  assert.deepEqual(ranges(drained()), [[0, 0, 3]])
  assert.deepEqual(asked, [1, 2], 'each schema is asked for once')
  await source.stop()
})

test('holes that come while the queue is full are told as one, once it has room', async () => {
  const kafka = fakeKafka()
  const { source, drained } = await startedSource(kafka, { queueBatches: 2 })
  for (let i = 0; i < 100; i++) {
    kafka.passHole(0, 10 * i, 10 * i + 9)
    kafka.passHole(1, i, i)
    await soon()
  }
  assert.ok(source.queue.length <= 4, `${source.queue.length} batches in a queue of 2`)
  const told: Batch[] = []
  for (let i = 0; i < 10; i++) {
    told.push(...drained())
    await soon()
  }
  for (const [partition, end] of [1000, 100].entries()) {
    const own = ranges(told).filter(([p]) => p === partition)
    let at = 0
    for (const [, from, next] of own) {
      assert.equal(from, at)
      at = next
    }
    assert.equal(at, end)
  }
  await source.stop()
})

test('while the queue is full closing ends the wait for room', { timeout: 5000 }, async () => {
  const kafka = fakeKafka()
  const closing = new AbortController()
  const { source, drained } = await startedSource(kafka, { queueBatches: 1, closing: closing.signal })
  const taken = kafka.deliver(0, 0, records(0, 300))
  await soon()
  closing.abort()
  await taken
  assert.deepEqual(ranges(drained()), [[0, 0, 100]])
  await source.stop()
})

test('a hole that waits for room is part of the next batch', async () => {
  const kafka = fakeKafka()
  const { source, drained } = await startedSource(kafka, { queueBatches: 1 })
  kafka.passHole(1, 0, 0)
  await soon()
  kafka.passHole(0, 0, 6)
  await soon()
  const taken = kafka.deliver(0, 7, records(7, 9))
  await soon()
  const told = drained()
  await taken
  await soon()
  told.push(...drained())
  assert.deepEqual(ranges(told), [
    [1, 0, 1],
    [0, 0, 9],
  ])
  await source.stop()
})

/** The position is 5 and the last record stored is that of offset 4, or as given. */
async function withLast(changes: Partial<LastRecord> = {}) {
  const all = records(0, 8)
  const kafka = fakeKafka()
  const last = { ...identify(all[4]), ...changes }
  const started = await startedSource(kafka, { claimed: { position: 5, last } })
  return { ...started, kafka, all }
}

test('the last record that was stored is compared first, and is not taken again', async () => {
  const { source, kafka, all, drained } = await withLast()
  assert.equal(kafka.seeks.get(0), 4)
  await kafka.deliver(0, 4, all.slice(4))
  assert.deepEqual([kafka.seeks.get(0), drained()], [5, []])
  await kafka.deliver(0, 5, all.slice(5))
  assert.deepEqual(ranges(drained()), [[0, 5, 8]])
  await source.stop()
})

test('another record in the place of the last one ends the stream, with nothing taken', async () => {
  for (const changes of [{ crc: 1 }, { timestamp: 1 }]) {
    const { source, kafka, all, drained } = await withLast(changes)
    const ended = new Promise<Error>((resolve) => source.queue.stream.once('error', resolve))
    await assert.rejects(kafka.deliver(0, 4, all.slice(4)))
    assert.match((await ended).message, /0: the record at offset 4 is not the one that was stored/)
    assert.deepEqual(drained(), [])
  }
})

test('a last record that is gone, or is behind a position set by hand, keeps nothing up', async () => {
  const gone = await withLast()
  await gone.kafka.deliver(0, 4, gone.all.slice(6))
  assert.equal(gone.kafka.seeks.get(0), 5)

  const hole = await withLast()
  hole.kafka.passHole(0, 4, 4)
  assert.equal(hole.kafka.seeks.get(0), 5)

  const retained = await withLast()
  retained.kafka.low = 5
  await retained.kafka.deliver(0, 5, retained.all.slice(5))
  assert.equal(retained.kafka.seeks.get(0), 5)

  // From before the seek: it is asked for again.
  const stale = await withLast()
  stale.kafka.seeks.clear()
  await stale.kafka.deliver(0, 7, stale.all.slice(7))
  assert.equal(stale.kafka.seeks.get(0), 4)

  for (const offset of [5, 6, 1000]) {
    const setBack = await withLast({ offset })
    assert.equal(setBack.kafka.seeks.get(0), 5)
  }
})

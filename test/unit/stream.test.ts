import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep, setImmediate as soon } from 'node:timers/promises'
import { type Batch, createBatch, type Ownership } from '../../pipeline/batch.ts'
import type { StoreOutcome } from '../../pipeline/store/lane.ts'
import { transactionType } from '../../schemas/transaction.ts'
import { constantModel, ownership } from '../support/batches.ts'
import { runPipeline } from '../support/lanes.ts'
import { record } from '../support/transactions.ts'
import { encoded } from '../support/writers.ts'

/** The partition's next batch: three transactions and a record without a value. */
function nextBatch(owner: Ownership): Batch {
  const from = owner.cursor
  owner.cursor += 4
  const values = [encoded(), encoded({ amount: 6000_0000 }), null, encoded()]
  const records = values.map((value, i) => record(value, { offset: from + i }))
  return createBatch(owner, from, owner.cursor, records)
}

function* batches(owners: Ownership[], count: number): Generator<Batch> {
  for (let i = 0; i < count; i++) yield nextBatch(owners[i % owners.length])
}

const partitions = (count: number) =>
  Array.from({ length: count }, (_, partition) => ownership({ partition }))

const fromOffsets = (stored: Batch[], owner: Ownership) =>
  stored.filter((batch) => batch.owner === owner).map((batch) => batch.fromOffset)

test('every batch is decoded, judged and stored, each partition in its order, before the end is told', async () => {
  const owners = partitions(5)
  const working = new Set<Ownership>()
  const { done, stored } = runPipeline({
    source: batches(owners, 100),
    store: async ({ owner, fromOffset }) => {
      assert.ok(!working.has(owner), 'one batch of a partition at a time')
      working.add(owner)
      if ((fromOffset + owner.partition) % 3 === 0) await sleep(1)
      working.delete(owner)
      return 'stored'
    },
  })
  await done
  assert.equal(stored.length, 100)
  for (const owner of owners) {
    assert.deepEqual(
      fromOffsets(stored, owner),
      Array.from({ length: 20 }, (_, i) => 4 * i),
    )
    assert.deepEqual(owner.judged, [])
    assert.equal(owner.states.accounts, 1)
  }
  const [first] = stored
  assert.equal(first.transactions.length, 3)
  assert.deepEqual([...first.anomalies.keys()], [1])
  assert.deepEqual(
    first.rejects.map((r) => r.code),
    ['EMPTY_VALUE'],
  )
})

test('a store that does not go on stops the source, at a number of batches that the size bounds', async () => {
  for (const size of [1, 2, 5]) {
    let taken = 0
    const gate = Promise.withResolvers<StoreOutcome>()
    const owners = partitions(1)
    async function* source() {
      for (; taken < 300; taken++) yield nextBatch(owners[0])
    }
    const { done, stored } = runPipeline({ source: source(), size, store: () => gate.promise })
    let before = -1
    while (taken !== before) {
      before = taken
      for (let i = 0; i < 100; i++) await soon()
    }
    // The source, the three stages and the lane have `size` each, and each stage one that it has just done.
    assert.ok(taken <= 5 * size + 3, `${taken} batches in flight at size ${size}`)
    assert.ok(owners[0].judged.length > size, 'while one is stored the next ones are judged')
    gate.resolve('stored')
    await done
    assert.equal(stored.length, 300)
  }
})

test('what waits while a lane is at work is stored together, in order, up to so many records', async () => {
  const owners = partitions(3)
  const together: number[] = []
  const { done, stored } = runPipeline({
    source: batches(owners, 90),
    lanes: 1,
    together: 20,
    store: async () => {
      await sleep(1)
      return 'stored'
    },
    onTogether: (some) => together.push(some.reduce((sum, { records }) => sum + records.length, 0)),
  })
  await done
  assert.equal(together[0], 4, 'the first one does not wait for others')
  assert.equal(Math.max(...together), 20)
  assert.ok(together.length < 45, `${together.length} transactions`)
  for (const owner of owners)
    assert.deepEqual(
      fromOffsets(stored, owner),
      Array.from({ length: 30 }, (_, i) => 4 * i),
    )
})

test('an error of a stage ends the pipeline with that error, and the source with it', async () => {
  let closed = false
  function* source() {
    try {
      for (;;) yield nextBatch(owners[0])
    } finally {
      closed = true
    }
  }
  const owners = partitions(1)
  let scored = 0
  const model = {
    ...constantModel(0),
    score: () => {
      if (++scored === 10) throw new Error('the model broke')
      return 0
    },
  }
  const { done, stored } = runPipeline({ source: source(), model, store: async () => 'stored' })
  await assert.rejects(done, { message: 'the model broke' })
  assert.ok(closed)
  assert.deepEqual(fromOffsets(stored, owners[0]), [0, 4, 8].slice(0, stored.length))
})

test('an error of a lane ends the pipeline, and nothing of the lane is stored after it', async () => {
  const owners = partitions(2)
  const { done, stored } = runPipeline({
    source: batches(owners, 200),
    store: async ({ owner, fromOffset }) => {
      if (owner === owners[1] && fromOffset === 8) throw new Error('PostgreSQL refuses')
      return 'stored'
    },
  })
  await assert.rejects(done, { message: 'PostgreSQL refuses' })
  assert.deepEqual(fromOffsets(stored, owners[1]), [0, 4])
})

test('a fence is told once, what was judged of the partition is dropped, others go on', async () => {
  const owners = partitions(2)
  const { done, stored, fenced } = runPipeline({
    source: batches(owners, 60),
    size: 4,
    store: async ({ owner, fromOffset }) => {
      await soon()
      return owner.lost || (owner === owners[0] && fromOffset === 8) ? 'fenced' : 'stored'
    },
  })
  await done
  assert.deepEqual(fenced, [owners[0]])
  assert.deepEqual(fromOffsets(stored, owners[0]), [0, 4])
  assert.equal(fromOffsets(stored, owners[1]).length, 30)
})

test('a partition that went elsewhere is not judged any more, and that is no fence', async () => {
  const owners = partitions(1)
  const late = nextBatch(owners[0])
  async function* source() {
    yield nextBatch(owners[0])
    owners[0].lost = true
    yield late
  }
  const { done, stored, fenced } = runPipeline({ source: source(), store: async () => 'fenced' })
  await done
  assert.deepEqual([stored, fenced, late.transactions], [[], [], []])
})

test('batches whose schemas must be fetched keep their order before those that need no fetch', async () => {
  const owners = partitions(1)
  const gate = Promise.withResolvers<never>()
  let asked = 0
  const registry = {
    getSchema: async () => {
      asked++
      return gate.promise
    },
  }
  const { done, stored } = runPipeline({ source: batches(owners, 5), registry, store: async () => 'stored' })
  for (let i = 0; i < 100; i++) await soon()
  assert.deepEqual([asked, stored.length], [1, 0])
  gate.resolve(transactionType as never)
  await done
  assert.deepEqual(fromOffsets(stored, owners[0]), [0, 4, 8, 12, 16])
  assert.equal(asked, 1)
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { transactionType } from '../../schemas/transaction.ts'
import { frame } from '../../schemas/wire.ts'
import { pass, stopTime } from '../support/time.ts'
import { record, transaction } from '../support/transactions.ts'
import { codeOf, decodeAll, notFound, registryOf, writersOf } from '../support/writers.ts'

const framedWith = (id: number) => frame(id, transactionType, transaction())

test('a schema is asked for once, then known', async () => {
  const registry = registryOf()
  const writers = writersOf(registry)
  for (let i = 0; i < 3; i++) assert.equal(await codeOf(framedWith(1), writers), null)
  assert.deepEqual(registry.asked, [1])
})

test('an id that the registry does not know is asked for three times in five seconds, then UNKNOWN_SCHEMA', async (t) => {
  stopTime(t)
  const registry = registryOf()
  const code = codeOf(framedWith(9), writersOf(registry))
  let decided = false
  code.then(() => {
    decided = true
  })
  await pass(t, 2499)
  assert.deepEqual([registry.asked, decided], [[9], false])
  await pass(t, 1)
  assert.deepEqual([registry.asked, decided], [[9, 9], false])
  await pass(t, 2500)
  assert.equal(await code, 'UNKNOWN_SCHEMA')
  assert.deepEqual(registry.asked, [9, 9, 9])
})

test('a hundred unknown ids in one batch wait no longer than one does', async (t) => {
  stopTime(t)
  const records = Array.from({ length: 100 }, (_, i) => record(framedWith(100 + i), { offset: i }))
  const batch = decodeAll([...records, record(framedWith(1), { offset: 100 })])
  await pass(t, 2500)
  await pass(t, 2500)
  const { rejects, transactions } = await batch
  assert.equal(rejects.length, 100)
  assert.equal(transactions.length, 1)
})

test('an unknown id is not asked for again within a minute, and is taken once it was registered', async (t) => {
  stopTime(t)
  const registry = registryOf()
  const writers = writersOf(registry)
  const first = codeOf(framedWith(9), writers)
  await pass(t, 2500)
  await pass(t, 2500)
  assert.equal(await first, 'UNKNOWN_SCHEMA')
  registry.known[9] = transactionType
  await pass(t, 59_000)
  assert.equal(await codeOf(framedWith(9), writers), 'UNKNOWN_SCHEMA')
  assert.equal(registry.asked.length, 3)
  await pass(t, 2000)
  assert.equal(await codeOf(framedWith(9), writers), null)
})

test('while the registry is away the batch waits, and nothing is rejected', async (t) => {
  stopTime(t)
  let away = true
  const registry = registryOf()
  const code = codeOf(
    framedWith(1),
    writersOf({
      getSchema: (id) => (away ? Promise.reject(new Error('connect ECONNREFUSED')) : registry.getSchema(id)),
    }),
  )
  for (let second = 0; second < 100; second++) await pass(t, 1000)
  away = false
  await pass(t, 1000)
  assert.equal(await code, null)
})

test('loads that overlap ask once for each schema, and waiting is told until the last of them is done', async (t) => {
  stopTime(t)
  let away = true
  const registry = registryOf({ 2: transactionType })
  const writers = writersOf({
    getSchema: (id) =>
      away && id === 2 ? Promise.reject(new Error('connect ECONNREFUSED')) : registry.getSchema(id),
  })
  const loads = [writers.load([2]), writers.load([1, 2]), writers.load([9])]
  await pass(t, 2500)
  await pass(t, 2500)
  await loads[2]
  assert.deepEqual([writers.knows(1), writers.knows(2), writers.knows(9)], [true, false, true])
  assert.equal(writers.isWaiting, true, 'the end of one load is not that of another')
  away = false
  await pass(t, 1000)
  await Promise.all(loads)
  assert.deepEqual([writers.knows(2), writers.isWaiting], [true, false])
  assert.deepEqual(registry.asked.toSorted(), [1, 2, 9, 9, 9])
})

test('closing ends the wait for a registry', async () => {
  const closing = new AbortController()
  const code = codeOf(
    framedWith(9),
    writersOf({ getSchema: (id) => Promise.reject(notFound(id)) }, closing.signal),
  )
  closing.abort()
  await assert.rejects(code, { name: 'AbortError' })
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { AccountStates, type Snapshot } from '../../pipeline/features/account-states.ts'
import { FEATURE_COUNT } from '../../pipeline/features/features.ts'
import type { Transaction } from '../../schemas/transaction.ts'
import { histories } from '../support/histories.ts'

const HOUR = 3_600_000
const LATENESS = 24 * HOUR

/** Features of the transactions, as one batch that is committed. */
function observeAll(states: AccountStates, transactions: Transaction[]): Float64Array {
  const features = new Float64Array(transactions.length * FEATURE_COUNT)
  const undo = states.begin()
  for (const [i, tx] of transactions.entries()) states.observe(tx, undo, features, i * FEATURE_COUNT)
  states.commit(undo)
  return features
}

/** Copied, and cut smaller than a record, as no piece may end with one. */
async function* cut(snapshot: Snapshot, bytes: number): AsyncGenerator<Buffer> {
  const all = Buffer.concat([...snapshot.pieces()].map((piece) => Buffer.from(piece)))
  for (let at = 0; at < all.length; at += bytes) yield all.subarray(at, at + bytes)
}

test('a restored snapshot judges what follows as the original does, wherever its pieces are cut', async () => {
  await fc.assert(
    fc.asyncProperty(
      histories(60),
      histories(30),
      fc.integer({ min: 1, max: 200 }),
      async (before, after, bytes) => {
        const original = new AccountStates(LATENESS)
        observeAll(original, before)
        const restored = new AccountStates(LATENESS)
        const snapshot = original.snapshot([])
        await restored.restore(cut(snapshot, bytes))
        snapshot.release()
        assert.equal(restored.accounts, original.accounts)
        assert.deepEqual(observeAll(restored, after), observeAll(original, after))
      },
    ),
    { numRuns: 200 },
  )
})

test('a snapshot leaves out the batches in flight, and what happens to the state while it is read', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(histories(20), { minLength: 1, maxLength: 6 }),
      fc.nat({ max: 6 }),
      fc.boolean(),
      histories(20),
      async (batches, uncommitted, undone, after) => {
        const committed = batches.slice(0, Math.max(0, batches.length - uncommitted))
        const states = new AccountStates(LATENESS)
        for (const batch of committed) observeAll(states, batch)
        const flight = batches.slice(committed.length).map((batch) => {
          const undo = states.begin()
          const features = new Float64Array(FEATURE_COUNT)
          for (const tx of batch) states.observe(tx, undo, features, 0)
          return undo
        })
        const snapshot = states.snapshot(flight)
        if (undone) for (const undo of flight.toReversed()) states.undo(undo)
        else for (const undo of flight) states.commit(undo)
        observeAll(states, after)
        observeAll(states, after)

        const restored = new AccountStates(LATENESS)
        await restored.restore(cut(snapshot, 64))
        snapshot.release()
        const expected = new AccountStates(LATENESS)
        for (const batch of committed) observeAll(expected, batch)
        assert.equal(restored.accounts, expected.accounts)
        assert.deepEqual(observeAll(restored, after), observeAll(expected, after))
      },
    ),
    { numRuns: 300 },
  )
})

test('a snapshot that ends too early is refused', async () => {
  const states = new AccountStates(LATENESS)
  observeAll(states, fc.sample(histories(20), 1)[0])
  const snapshot = states.snapshot([])
  const all = Buffer.concat([...snapshot.pieces()].map((piece) => Buffer.from(piece)))
  const cutShort = (async function* () {
    yield all.subarray(0, all.length - 1)
  })()
  await assert.rejects(new AccountStates(LATENESS).restore(cutShort), RangeError)
})

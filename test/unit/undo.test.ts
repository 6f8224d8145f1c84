import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Ownership } from '../../pipeline/batch.ts'
import { FEATURE_COUNT } from '../../pipeline/features/features.ts'
import { computeFeatures } from '../../pipeline/stages/features.ts'
import { rejudgeWithout } from '../../pipeline/store/rejudge.ts'
import { batchOf, feature, ownership } from '../support/batches.ts'
import { histories, latenesses } from '../support/histories.ts'
import { play, type Step } from '../support/schedule.ts'
import { DAY, NOON, transaction } from '../support/transactions.ts'

const cuts = fc.array(fc.record({ do: fc.constant('judge' as const), take: fc.nat(12) }))

const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    fc.record({ do: fc.constant('judge' as const), take: fc.nat(8) }),
    fc.record({ do: fc.constant('commit' as const) }),
    fc.record({
      do: fc.constant('rejudge' as const),
      batch: fc.nat(),
      without: fc.array(fc.nat(), { maxLength: 3 }),
    }),
  ),
  { size: 'max', maxLength: 40 },
)

test('however a sequence is cut into batches, the features are the same to the bit', () => {
  fc.assert(
    fc.property(histories(60), latenesses, cuts, (transactions, latenessMs, cut) => {
      const whole = play(ownership({ latenessMs }), transactions, [])
      const inPieces = play(ownership({ latenessMs }), transactions, cut)
      assert.deepEqual(inPieces, whole)
    }),
    { numRuns: 80 },
  )
})

test('batches judged again without some rows leave features and state as if those rows had never been there', () => {
  fc.assert(
    fc.property(
      histories(50),
      histories(20),
      latenesses,
      steps,
      (transactions, probes, latenessMs, schedule) => {
        const owner = ownership({ latenessMs })
        const played = play(owner, transactions, schedule)
        const fresh = ownership({ latenessMs })
        assert.deepEqual(played, play(fresh, played.stayed, []))
        assertSameState(owner, fresh, probes)
      },
    ),
    { numRuns: 150 },
  )
})

/** No more is known of a state than what it does: further transactions must get the same features from both. */
function assertSameState(one: Ownership, other: Ownership, probes: ReturnType<typeof transaction>[]): void {
  assert.equal(one.states.accounts, other.states.accounts)
  assert.deepEqual(play(one, probes, []), play(other, probes, []))
}

test('undoing all batches in flight brings back the committed state, new accounts included', () => {
  fc.assert(
    fc.property(
      histories(30),
      histories(30),
      histories(10),
      latenesses,
      (before, inFlight, probes, latenessMs) => {
        const owner = ownership({ latenessMs })
        play(owner, before, [])
        for (let i = 0; i < inFlight.length; i += 7) computeFeatures(batchOf(inFlight.slice(i, i + 7), owner))
        for (const batch of owner.judged.splice(0).reverse()) owner.states.undo(batch.undo!)
        const fresh = ownership({ latenessMs })
        play(fresh, before, [])
        assertSameState(owner, fresh, probes)
      },
    ),
    { numRuns: 80 },
  )
})

test('a batch that is judged again keeps its place before its successors', () => {
  const owner = ownership()
  const amounts = [1, 2, 3, 4].map((n) => transaction({ amount: n * 10_000 }))
  const first = computeFeatures(batchOf(amounts.slice(0, 2), owner, 0))
  const second = computeFeatures(batchOf(amounts.slice(2), owner, 2))
  const scored: unknown[] = []
  const left = {
    duplicates: new Set([0]),
    rejects: new Map([[1, { code: 'CONFLICT' as const, message: 'another content' }]]),
  }
  rejudgeWithout(owner, new Map([[second, left]]), (batch) => {
    scored.push(batch)
    return batch
  })
  assert.deepEqual(owner.judged, [first, second])
  assert.deepEqual(scored, [second])
  assert.deepEqual(second.duplicates, [2])
  assert.deepEqual(second.rejects, [
    { record: second.records[1], code: 'CONFLICT', message: 'another content' },
  ])
  assert.deepEqual([second.transactions, second.recordOf], [[], []])

  rejudgeWithout(
    owner,
    new Map([[first, { duplicates: new Set([0]), rejects: new Map() }]]),
    (batch) => batch,
  )
  assert.deepEqual(owner.judged, [first, second])
  assert.deepEqual([first.transactions, first.recordOf], [[amounts[1]], [1]])
  assert.equal(feature(first, 0, 'account_count'), 0)
  const third = computeFeatures(batchOf([transaction()], owner, 4))
  assert.equal(feature(third, 0, 'sum_24h'), 2)
})

test('rounds of undo and commit over the same accounts use the same memory again', () => {
  const { states } = ownership()
  const out = new Float64Array(FEATURE_COUNT)
  /** Twenty transactions of each account, days after the last batch: blocks grow, and drop what is old. */
  const observeAll = (round: number, accounts: number) => {
    const undo = states.begin()
    for (let i = 0; i < 20 * accounts; i++) {
      const timestamp = NOON + round * 3 * DAY + i
      const tx = transaction({ account_id: `a-${i % accounts}`, timestamp, location: `place-${i % 7}` })
      states.observe(tx, undo, out, 0)
    }
    return undo
  }
  const round = (n: number) => {
    const first = observeAll(n, 150)
    const second = observeAll(n, 175)
    states.undo(second)
    states.commit(first)
  }
  for (let n = 0; n < 60; n++) round(n)
  const { bytes } = states
  for (let n = 60; n < 160; n++) round(n)
  assert.equal(states.bytes, bytes)
  assert.equal(states.accounts, 150)
})

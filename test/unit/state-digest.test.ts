import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { AccountStates } from '../../pipeline/features/account-states.ts'
import type { Transaction } from '../../schemas/transaction.ts'
import { ownership } from '../support/batches.ts'
import { histories, latenesses } from '../support/histories.ts'
import { play } from '../support/schedule.ts'
import { differingStates, digestsOf } from '../support/state-digest.ts'
import { DAY, HOUR, NOON, transaction } from '../support/transactions.ts'

const LATENESS = DAY

/** Digests after the transactions, one batch for each `take` of them. */
async function digestsAfter(
  transactions: Transaction[],
  { take = 1, latenessMs = LATENESS } = {},
): Promise<Map<string, string>> {
  const owner = ownership({ latenessMs })
  play(
    owner,
    transactions,
    transactions.flatMap(() => [{ do: 'judge', take } as const, { do: 'commit' } as const]),
  )
  return digestsOf(owner.states)
}

test('the digests are the same however many old events the blocks still hold, and after a restore', async () => {
  await fc.assert(
    fc.asyncProperty(histories(50), latenesses, fc.nat(20), async (transactions, latenessMs, take) => {
      const digests = await digestsAfter(transactions, { latenessMs })
      assert.deepEqual(await digestsAfter(transactions, { latenessMs, take: take + 2 }), digests)

      const owner = ownership({ latenessMs })
      play(owner, transactions, [])
      const snapshot = owner.states.snapshot([])
      const restored = new AccountStates(latenessMs)
      await restored.restore(
        (async function* () {
          yield* [...snapshot.pieces()]
        })(),
      )
      assert.deepEqual(await digestsOf(restored), digests)
    }),
    { numRuns: 60 },
  )
})

test('the digests do not depend on the numbers of the locations', async () => {
  const inLyon = transaction({ location: 'Lyon' })
  const inOslo = transaction({ account_id: 'a-2', location: 'Oslo' })
  assert.deepEqual(
    differingStates(await digestsAfter([inLyon, inOslo]), await digestsAfter([inOslo, inLyon])),
    [],
  )
})

test('a difference of a unit, a millisecond or a place is seen, and so is an account too many', async () => {
  const history = [0, 1, 2].map((n) => transaction({ timestamp: NOON + n * HOUR, amount: n * 10_000 }))
  const digests = await digestsAfter(history)
  const changes: Partial<Transaction>[] = [
    { amount: 10_001 },
    { timestamp: NOON + HOUR + 1 },
    { location: 'Oslo' },
  ]
  for (const change of changes) {
    const changed = await digestsAfter(history.with(1, { ...history[1], ...change }))
    assert.deepEqual(differingStates(digests, changed), ['a-1'])
  }
  const other = transaction({ account_id: 'a-2' })
  assert.deepEqual(differingStates(digests, await digestsAfter([...history, other])), ['a-2'])
})

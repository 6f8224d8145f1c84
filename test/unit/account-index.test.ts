import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { AccountIndex } from '../../pipeline/features/account-index.ts'
import { FNV_BASIS, hashOf } from '../../pipeline/features/acquaintances.ts'
import { transaction } from '../support/transactions.ts'

/** Two ids with the same hash. */
const TWINS = ['76mmiq', '2391dx']

test('accounts that come and go are found as in a Map, also with equal hashes', () => {
  assert.equal(hashOf(TWINS[0]), hashOf(TWINS[1]))
  const ids = fc.oneof(
    fc.nat(3000).map((n) => `acc-${n}`),
    fc.constantFrom(...TWINS, '', 'ä'),
  )
  fc.assert(
    fc.property(fc.array(ids, { size: 'max', maxLength: 4000 }), (schedule) => {
      const index = new AccountIndex(FNV_BASIS)
      const numbers = new Map<string, number>()
      for (const id of schedule) {
        const known = numbers.get(id)
        assert.equal(index.find(id), known ?? -1)
        if (known === undefined) numbers.set(id, index.add(id))
        else {
          index.remove(known)
          numbers.delete(id)
        }
      }
      assert.equal(index.size, numbers.size)
      assert.equal(new Set(numbers.values()).size, numbers.size)
      for (const [id, number] of numbers) {
        assert.equal(index.find(id), number)
        assert.equal(index.idOf(number), id)
      }
    }),
    { numRuns: 30 },
  )
})

test('a look ahead finds the accounts that are there, and -1 for others', () => {
  const index = new AccountIndex(FNV_BASIS)
  for (let i = 0; i < 5000; i++) index.add(`a-${i}`)
  const transactions = ['a-17', 'b', 'a-4999'].map((account_id) => transaction({ account_id }))
  const accounts = new Int32Array(2)
  index.lookAhead(transactions, 1, 3, accounts)
  assert.deepEqual([...accounts], [-1, 4999])
})

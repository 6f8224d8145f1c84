import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { assignSticky } from '../../pipeline/source/sticky-assigner.ts'

const six = [0, 1, 2, 3, 4, 5]
const plain = (assigned: Map<string, number[]>) =>
  Object.fromEntries([...assigned].map(([member, list]) => [member, list.toSorted((a, b) => a - b)]))

test('the first member gets everything', () => {
  assert.deepEqual(plain(assignSticky(six, new Map([['a', []]]))), { a: six })
})

test('a second member takes half, the rest stays', () => {
  const claims = new Map([
    ['a', six],
    ['b', []],
  ])
  assert.deepEqual(plain(assignSticky(six, claims)), { a: [0, 1, 2], b: [3, 4, 5] })
})

test('what a member leaves goes to the others, and nothing else moves', () => {
  const claims = new Map([
    ['a', [0, 1]],
    ['c', [4, 5]],
  ])
  const { a, c } = plain(assignSticky(six, claims))
  assert.ok(a.includes(0) && a.includes(1) && c.includes(4) && c.includes(5))
})

test('of two that claim the same partition one keeps it', () => {
  const claims = new Map([
    ['a', [0, 1, 2]],
    ['b', [0, 1, 2]],
  ])
  assert.deepEqual(plain(assignSticky(six, claims)), { a: [0, 1, 2], b: [3, 4, 5] })
})

test('every partition has one member, none has two more than another, and as many stay as can', () => {
  const members = fc.uniqueArray(fc.string({ minLength: 1, maxLength: 3 }), { minLength: 1, maxLength: 8 })
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 40 }),
      members,
      fc.array(fc.nat({ max: 8 })),
      (count, names, owners) => {
        const partitions = Array.from({ length: count }, (_, i) => i)
        const claims = new Map<string, number[]>(names.map((name) => [name, []]))
        owners.slice(0, count).forEach((owner, partition) => {
          claims.get(names[owner])?.push(partition)
        })
        const assigned = assignSticky(partitions, claims)
        const all = [...assigned.values()].flat().sort((a, b) => a - b)
        assert.deepEqual(all, partitions)
        const sizes = [...assigned.values()].map((list) => list.length)
        assert.ok(Math.max(...sizes) - Math.min(...sizes) <= 1)
        for (const [name, list] of assigned) {
          const kept = list.filter((p) => claims.get(name)!.includes(p)).length
          assert.ok(kept >= Math.min(claims.get(name)!.length, Math.floor(count / names.length)))
        }
      },
    ),
  )
})

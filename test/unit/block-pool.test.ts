import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { BlockPool, SLAB_BITS, SLAB_MASK } from '../../pipeline/features/block-pool.ts'

const SLAB_BYTES = 8 * 2 ** SLAB_BITS

const sizes = fc.oneof(
  fc.integer({ min: 1, max: 300 }),
  fc.integer({ min: 300, max: 5000 }),
  fc.constantFrom(15, 16, 17, 255, 256, 257, 512, 513, 1024, 1025, 2 ** SLAB_BITS, 2 ** SLAB_BITS + 1),
)
/** Of one page, with more blocks than 32 bits can tell of. */
const small = fc.integer({ min: 1, max: 17 })
/** A block of so many doubles, or the end of one of those that are there. */
const schedules = (of: fc.Arbitrary<number>) => {
  const end = fc.nat().map((n) => -1 - n)
  return fc.array(fc.oneof({ arbitrary: of, weight: 3 }, { arbitrary: end, weight: 2 }), {
    size: 'max',
    maxLength: 400,
  })
}

test('blocks in use never overlap, and what is written to one stays until it is freed', () => {
  fc.assert(
    fc.property(fc.oneof(schedules(sizes), schedules(small)), (schedule) => {
      const pool = new BlockPool()
      const blocks = new Map<number, { size: number; mark: number }>()
      const cut = (address: number, size: number) => {
        const { f64 } = pool.slabs[address >>> SLAB_BITS]
        return f64.subarray(address & SLAB_MASK, (address & SLAB_MASK) + size)
      }
      for (const [mark, step] of schedule.entries()) {
        if (step > 0) {
          const address = pool.allocate(step)
          assert.ok(address > 0 && !blocks.has(address) && pool.sizeOf(address) >= step)
          blocks.set(address, { size: step, mark })
          assert.equal(cut(address, step).fill(mark).length, step)
        } else if (blocks.size > 0) {
          const [address, { size, mark: written }] = [...blocks][-step % blocks.size]
          assert.ok(cut(address, size).every((value) => value === written))
          blocks.delete(address)
          pool.free(address)
        }
      }
      for (const [address, { size, mark }] of blocks)
        assert.ok(cut(address, size).every((value) => value === mark))
    }),
    { numRuns: 100 },
  )
})

test('a page that is wholly free serves another size', () => {
  const pool = new BlockPool()
  for (let doubles = 16; doubles <= 1024; doubles += 2) {
    // Half a slab of each size: two slabs would be needed if a size kept what it had.
    const blocks = Array.from({ length: Math.floor(2 ** SLAB_BITS / 2 / doubles / 2) }, () =>
      pool.allocate(doubles),
    )
    for (const address of blocks) pool.free(address)
  }
  assert.ok(pool.bytes < 1.1 * SLAB_BYTES, `${pool.bytes} bytes`)
})

test('blocks that all grow step by step, in any order, leave little unused', () => {
  const pool = new BlockPool()
  const random = fc.sample(fc.nat(), { seed: 3, numRuns: 400_000 })
  const sizes = new Float64Array(20_000).fill(16)
  const blocks = Array.from(sizes, (size) => pool.allocate(size))
  for (const n of random) {
    const i = n % blocks.length
    const old = blocks[i]
    sizes[i] += n % 11
    blocks[i] = pool.allocate(sizes[i])
    pool.free(old)
  }
  const used = 8 * sizes.reduce((sum, size) => sum + size)
  assert.ok(pool.bytes < 1.35 * used + SLAB_BYTES, `${pool.bytes} bytes for ${used}`)
})

test('a block larger than a slab has a slab of its own, even as the first one', () => {
  const pool = new BlockPool()
  const large = pool.allocate(2 ** SLAB_BITS + 1)
  const small = pool.allocate(8)
  assert.notEqual(large, 0)
  assert.notEqual(small, 0)
  assert.notEqual(large >>> SLAB_BITS, small >>> SLAB_BITS)
  pool.free(large)
  assert.equal(pool.allocate(2 ** (SLAB_BITS + 1)), large)
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { measureKeys } from '../../bench/keys.ts'
import { compare, KINDS, renderKeys, summariseKeys } from '../../bench/keys-report.ts'

const floats = (...values: number[]) => Float64Array.from(values)

test('the comparison is Mann-Whitney’s, with its correction for ties', () => {
  // By hand: of nine pairs none is won; U = 0, variance 9 * 7 / 12.
  const apart = compare(floats(1, 2, 3), floats(4, 5, 6))
  assert.equal(apart.share, 0)
  assert.ok(Math.abs(apart.z - -4.5 / Math.sqrt(5.25)) < 1e-12)
  assert.deepEqual(compare(floats(5, 5), floats(5, 5, 5)), { share: 0.5, z: 0 })
  // Pairs: 2 > 1, 2 = 2 twice, 3 > all: 1 + 1/2 + 1/2 + 3 of 6; ties of three.
  const tied = compare(floats(2, 3), floats(1, 2, 2))
  assert.equal(tied.share, 5 / 6)
  assert.ok(Math.abs(tied.z - 2 / Math.sqrt((6 / 12) * (6 - 24 / 20))) < 1e-12)
})

test('a kind that is slower by a tenth of what it varies by is found, one that is not is not', () => {
  const host = { platform: 'x', cores: 1, cpu: 'x', memory_gib: 1, node: '24', load_before: 0 }
  // A fixed sequence, spread evenly.
  const times = (shift: number) => Float64Array.from({ length: 20_000 }, (_, i) => shift + ((i * 0.618) % 1))
  const all = { right: times(0), wrong_secret: times(0), unknown_id: times(0.1), malformed: times(0) }
  const report = summariseKeys(all, { rounds: 20_000, keys: 1, host })
  const [id, wrong] = report.differences
  assert.ok(id.z > 10 && id.a_slower > 0.55, JSON.stringify(id))
  assert.ok(Math.abs(wrong.z) < 1, JSON.stringify(wrong))
  assert.match(renderKeys(report), /an unknown id, less a wrong secret of a known id: \+0\.10 us/)
})

test('every kind is timed through the guard, as often as the others', async () => {
  const report = await measureKeys({
    rounds: 200,
    keys: 5,
    progress: () => {},
    signal: new AbortController().signal,
  })
  for (const kind of KINDS) {
    const { n, p50_us, p90_us, p99_us } = report.kinds[kind]
    assert.equal(n, 200)
    assert.ok(p50_us > 0 && p50_us <= p90_us && p90_us <= p99_us, kind)
  }
  assert.equal(report.differences.length, 4)
})

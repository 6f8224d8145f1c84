import assert from 'node:assert/strict'
import { test } from 'node:test'
import { failCall } from '../sim/each-call.ts'
import { CUTS } from '../sim/faults.ts'
import { simulate } from '../sim/simulation.ts'
import type { Met } from '../sim/world.ts'

/** The quick part of `npm run test:sim`, which goes through a thousand seeds and every call. */

const SEEDS = 80

test('whatever befalls processes and servers, everything is stored once, as on a quiet day', async () => {
  const met = new Set<string>()
  for (let seed = 1; seed <= SEEDS; seed++) {
    const outcome = await simulate({ seed })
    assert.equal(outcome.violation, null, `seed ${seed}: npm run test:sim -- --seed ${seed} --verbose`)
    for (const what of outcome.met.keys()) met.add(what)
  }
  const expected: Met[] = [
    'crash',
    'freeze',
    'fenced',
    'duplicate',
    'restored from a checkpoint',
    'several partitions in one COMMIT',
  ]
  for (const what of expected) assert.ok(met.has(what), `the seeds meet no ${what}`)
})

test('a seed gives the same trace each time, and another seed another one', async () => {
  const [first, second, other] = [
    await simulate({ seed: 7 }),
    await simulate({ seed: 7 }),
    await simulate({ seed: 8 }),
  ]
  assert.equal(first.digest, second.digest)
  assert.notEqual(first.digest, other.digest)
})

test('a lost connection and a crash at any COMMIT change nothing', async () => {
  for (const fault of CUTS) {
    let n = 1
    for (; ; n++) {
      const { met, outcome } = await failCall({ call: 'commit', n, fault })
      assert.equal(outcome.violation, null, `npm run test:sim -- --call commit:${n}:${fault} --verbose`)
      if (!met) break
    }
    assert.ok(n > 3, `${n - 1} COMMITs`)
  }
})

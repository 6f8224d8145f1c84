import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import { test } from 'node:test'
import { loadSettings } from '../../schemas/settings.ts'
import { breakTree, controls } from '../faults/controls.ts'
import { runScenario } from '../faults/run-scenario.ts'
import { scenarios } from '../faults/scenarios.ts'

/** The quick tier of `npm run test:faults`: see test/faults/README.md. */

const SEED = 1

for (const scenario of scenarios.filter(({ quick }) => quick)) {
  test(`${scenario.id} holds: ${scenario.title}`, async (t) => {
    const { breaches, figures, notes, outcome } = await runScenario(scenario, { seed: SEED, quick: true })
    t.diagnostic(JSON.stringify(figures))
    for (const note of notes) t.diagnostic(note)
    assert.deepEqual(breaches, [])
    assert.equal(outcome, 'held')
  })
}

test('every control still applies to this tree', () => {
  for (const control of controls) rmSync(breakTree(control), { recursive: true })
})

test('a failpoint is refused in production', () => {
  const env = { NODE_ENV: 'production', WEIR_FAILPOINT: 'in-copy' }
  assert.throws(() => loadSettings([], env), /WEIR_FAILPOINT: kills the process/)
  assert.equal(loadSettings([], { WEIR_FAILPOINT: 'in-copy:3' }).WEIR_FAILPOINT, 'in-copy:3')
})

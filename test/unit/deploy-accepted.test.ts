import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readAccepted, withoutAccepted } from '../deploy/accepted.ts'
import type { Finding } from '../deploy/check.ts'

const WHY = 'a reason of more than twenty letters'
const finding = (changes: Partial<Finding> = {}): Finding => ({
  rule: 'R-1',
  severity: 'medium',
  where: 'deploy/x.yaml:7',
  message: '',
  ...changes,
})
const accepted = readAccepted(`
- { tool: trivy, rule: R-1, where: x.yaml, why: ${WHY} }
- { tool: trivy, rule: R-2, why: ${WHY} }
`)

test('a finding is accepted by tool, rule and place', () => {
  const { remaining, used } = withoutAccepted(
    'trivy',
    [finding(), finding({ where: 'deploy/y.yaml:1' })],
    accepted,
  )
  assert.deepEqual(remaining, [finding({ where: 'deploy/y.yaml:1' })])
  assert.deepEqual([...used], [accepted[0]])
  assert.equal(withoutAccepted('gixy', [finding()], accepted).remaining.length, 1)
  assert.equal(
    withoutAccepted('trivy', [finding({ rule: 'R-2', where: 'anywhere' })], accepted).remaining.length,
    0,
  )
})

test('what is high or critical is never accepted', () => {
  const bad = [finding({ severity: 'high' }), finding({ severity: 'critical' })]
  assert.deepEqual(withoutAccepted('trivy', bad, accepted).remaining, bad)
})

test('at most ten may stay, each with a reason', () => {
  const entry = `- { tool: t, rule: r, why: ${WHY} }\n`
  assert.equal(readAccepted(entry.repeat(10)).length, 10)
  assert.throws(() => readAccepted(entry.repeat(11)), /at most 10/)
  assert.throws(() => readAccepted('- { tool: t, rule: r, why: short }'))
  assert.throws(() => readAccepted('- { tool: t, rule: r }'))
})

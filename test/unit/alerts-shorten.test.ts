import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { parse } from 'yaml'
import { faults } from '../alerts/faults.ts'
import { shorten } from '../alerts/shorten.ts'
import { alertNames, rulesOf } from '../support/watching.ts'

const original = readFileSync(new URL('../../deploy/prometheus/rules/weir.yml', import.meta.url), 'utf8')

test('the rules of production are shortened in their times only', () => {
  const short = rulesOf(parse(shorten(original)))
  const long = rulesOf(parse(original))
  assert.equal(short.length, long.length)
  for (const [i, rule] of short.entries()) {
    assert.equal(rule.alert, long[i].alert)
    assert.deepEqual(rule.annotations, long[i].annotations)
  }
  assert.doesNotMatch(
    shorten(original).replaceAll(/for: (1d|1h|2h)/g, ''),
    /\[\d+[mhd]\]|offset \d+[wdhm]|for: \d+[mh]/,
  )
})

test('a time that nobody has thought of is an error', () => {
  assert.throws(() => shorten(original.replace('[10m]', '[7m]')), /nothing for \[7m\]/)
  assert.throws(() => shorten(original.replace('lag_seconds:max > 900', 'lag_seconds:max > 800')), /900/)
})

test('each fault is found by an alert that there is', () => {
  for (const { id, alert } of faults) assert.ok(alertNames().includes(alert), id)
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FEATURE_GROUPS } from '../../api/pages/feature-words.ts'
import { featureGroupsOf } from '../../api/pages/features.ts'
import type { Item } from '../../api/sql/items.ts'
import { FEATURES } from '../../pipeline/features/features.ts'

const shown = (features: Item['features']) => featureGroupsOf({ features }).flatMap((group) => group.features)

test('every feature of the pipeline has words, each its own, and no other has', () => {
  const words = FEATURE_GROUPS.flatMap((group) => Object.entries(group.words))
  const names = words.map(([name]) => name)
  assert.deepEqual(names.toSorted(), [...FEATURES, 'home'].toSorted())
  const labels = words.map(([, { label }]) => label)
  assert.equal(new Set(labels).size, labels.length)
  for (const label of labels) assert.doesNotMatch(label, /_/)
})

test('features are in an analyst’s order with their bare names beside, unknown ones last as they are called', () => {
  assert.deepEqual(shown({ other_thing: 'x', toString: 1, late: 0, deviation: null, amount: 12.34567 }), [
    { name: 'amount', label: 'amount', text: '12.35' },
    { name: 'deviation', label: 'amount, above that mean', text: '–' },
    { name: 'late', label: 'arrived late', text: 'no' },
    { name: 'other_thing', label: 'other thing', text: 'x' },
    { name: 'toString', label: 'tostring', text: '1' },
  ])
  assert.deepEqual(shown(null), [])
})

test('features stand in groups, of which those without any are left out', () => {
  const groups = featureGroupsOf({ features: { amount: 1, count_1h: 2, other_thing: 3 } })
  assert.deepEqual(
    groups.map(({ title, features }) => [title, features.map(({ name }) => name).join()]),
    [
      ['This amount', 'amount'],
      ['Pace', 'count_1h'],
      ['More figures', 'other_thing'],
    ],
  )
})

test('each number is shown as what it is', () => {
  const cases: [string, number | string | boolean, string][] = [
    ['sum_24h', 1234567.5, '1,234,567.50'],
    ['count_24h', 1200, '1,200'],
    ['amount_ratio', 306.456, '306.46 times'],
    ['deviation', -0.4, '-0.4 standard deviations'],
    ['seconds_since_last', 45, '45 s'],
    ['seconds_since_last', 600, '10 min'],
    ['seconds_since_last', 9000, '2.5 hours'],
    ['hours_since_big', 72, '3 days'],
    ['run_age_days', 2.25, '2.3 days'],
    ['hour_share', 0.125, '12.5 %'],
    ['away_from_home', 1, 'yes'],
    ['last_label', 0, 'genuine'],
    ['last_label', 1, 'fraud'],
    ['home', 'Oulu', 'Oulu'],
    ['what_comes_next', 0.123456, '0.1235'],
    ['what_comes_next', true, 'yes'],
  ]
  for (const [name, value, text] of cases) assert.equal(shown({ [name]: value })[0].text, text, name)
})

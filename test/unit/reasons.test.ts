import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FEATURES } from '../../pipeline/features/features.ts'
import { FOREST_INPUTS } from '../../pipeline/models/inputs.ts'
import type { Contribution, Model } from '../../pipeline/models/model.ts'
import type { RuleContext } from '../../pipeline/rules/row-context.ts'
import { inWords } from '../../pipeline/stages/phrases.ts'
import { constantModel, judge } from '../support/batches.ts'
import { rulesOf } from '../support/rules-file.ts'
import { HOUR, NOON, transaction } from '../support/transactions.ts'

/** A model that always flags, and says why as the test wants. */
const saying = (...contributions: [name: string, contribution: number][]): Model => ({
  ...constantModel(0.9),
  explain: (): Contribution[] =>
    contributions.map(([name, contribution]) => ({ name, value: 1, contribution })),
})

const reasonsOf = (model: Model, rules: ReturnType<typeof rulesOf>) => {
  const history = Array.from({ length: 6 }, (_, i) =>
    transaction({ timestamp: NOON + i * HOUR, amount: 10_0000 + i }),
  )
  const last = transaction({ timestamp: NOON + 6 * HOUR, amount: 1234_5000, location: 'Oslo' })
  return judge([...history, last], { model, rules }).anomalies.get(6)!.reasons
}

test('a rule tells what it compared, with the value and the limit', (t) => {
  const rules = rulesOf(t, {
    code: 'BOTH',
    score: 0.95,
    when: 'amount >= 1000.0 && (account_count > 5.0 || deviation >= 2.5) && location != "Lyon"',
    message: '{amount} in {location}, with {account_count} before.',
  })
  const [reason] = reasonsOf(constantModel(0), rules)
  assert.equal(reason.message, '1,234.50 in Oslo, with 6 before.')
  assert.deepEqual(
    reason.checks!.map(({ feature, operator, limit, value }) => [feature, operator, limit, value]),
    [
      ['amount', '>=', 1000, 1234.5],
      ['account_count', '>', 5, 6],
      ['deviation', '>=', 2.5, reason.checks![2].value],
    ],
  )
  assert.ok(reason.checks![2].value! > 1e6)
  assert.equal(reason.contributions, undefined)
})

test('the model tells what raised its score most, in words a person can read, each thing once', (t) => {
  const model = saying(
    ['amount_ratio_log', 0.5],
    ['usual_amount', 0.4],
    ['away_from_home', 0.3],
    ['count_24h', 0.2],
    ['some_new_input', 0.1],
    ['late', 0.05],
    ['deviation', -0.7],
  )
  const [reason] = reasonsOf(model, rulesOf(t))
  assert.equal(reason.code, 'MODEL')
  // Two inputs that mean the same are told once.
  assert.match(
    reason.message,
    /^Unusual for this account: 123 times the mean of 10\.00 EUR of only 6 earlier transactions; in Oslo instead of Lyon; 6 transactions of 60\.00 EUR together in the 24 hours before\.$/,
  )
  assert.deepEqual(
    reason.contributions!.map(({ input }) => input),
    ['amount_ratio_log', 'usual_amount', 'away_from_home', 'count_24h', 'some_new_input'],
  )
  assert.equal(reason.checks, undefined)
})

test('an input that nobody has words for is told by its name', (t) => {
  const [reason] = reasonsOf(saying(['some_new_input', 1]), rulesOf(t))
  assert.equal(reason.message, 'Unusual for this account: some new input.')
})

test('the reasons stand highest first, and only those that reach the threshold by themselves', (t) => {
  const rules = rulesOf(
    t,
    { code: 'LOW', score: 0.5, when: 'amount > 0.0' },
    { code: 'HIGH', score: 0.95, when: 'amount > 0.0' },
  )
  assert.deepEqual(
    reasonsOf(saying(['amount', 1]), rules).map(({ code }) => code),
    ['HIGH', 'MODEL'],
  )
})

test('whatever is unknown is told in words, never as NaN', () => {
  const unknown: RuleContext = {
    ...Object.fromEntries(FEATURES.map((name) => [name, Number.NaN])),
    ...{ location: '', merchant_category: '', channel: 'OTHER', currency: 'XXX', home: '' },
  }
  for (const input of [...FEATURES, ...FOREST_INPUTS]) {
    const text = inWords(input, unknown)
    assert.doesNotMatch(text, /NaN|undefined/, input)
    assert.ok(text.length > 3 && !/[ ,]$/.test(text), `${input}: ${text}`)
  }
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FEATURES } from '../../pipeline/features/features.ts'
import { type RuleContext, rowContext } from '../../pipeline/rules/row-context.ts'
import { fillIn, loadRules } from '../../pipeline/rules/rules.ts'
import { featureRow, judge, lastCodes } from '../support/batches.ts'
import { type RuleText, rulesFile, rulesOf } from '../support/rules-file.ts'
import { HOUR, NOON, transaction } from '../support/transactions.ts'

const { rules } = loadRules()

/** Codes of the shipped rules that hit a row of features; unnamed features are unknown. */
function codesOf(
  features: Parameters<typeof featureRow>[0],
  changes: Parameters<typeof transaction>[0] = {},
) {
  const context = rowContext(transaction(changes), featureRow(features), 0)
  return rules.filter((rule) => rule.hits(context)).map((rule) => rule.code)
}

test('an amount of 5000 is high, 4999.9999 is not', () => {
  assert.deepEqual(lastCodes(judge([transaction({ amount: 4999_9999 })])), [])
  assert.deepEqual(lastCodes(judge([transaction({ amount: 5000_0000 })])), ['HIGH_AMOUNT'])
})

test('the eleventh transaction in an hour is flagged, the tenth is not, nor the eleventh when the first is an hour old', () => {
  const apart = (ms: number, count: number) =>
    Array.from({ length: count }, (_, i) => transaction({ timestamp: NOON + i * ms }))
  assert.deepEqual(lastCodes(judge(apart(1000, 10))), [])
  assert.deepEqual(lastCodes(judge(apart(1000, 11))), ['MANY_IN_AN_HOUR'])
  assert.deepEqual(lastCodes(judge(apart(HOUR / 10, 11))), [])
  assert.deepEqual(lastCodes(judge(apart(HOUR / 10 - 1, 11))), ['MANY_IN_AN_HOUR'])
})

test('a deviation counts from the tenth earlier transaction on', () => {
  const apart = (count: number) =>
    Array.from({ length: count }, (_, i) =>
      transaction({ timestamp: NOON + i * HOUR, amount: 100_0000 + (i % 2) * 1_0000 }),
    )
  const far = transaction({ timestamp: NOON + 20 * HOUR, amount: 200_0000 })
  assert.deepEqual(lastCodes(judge([...apart(9), far])), [])
  assert.deepEqual(lastCodes(judge([...apart(10), far])), ['HIGH_DEVIATION'])
})

test('a deviation of exactly 5 is high, just below it is not, nor far below the mean', () => {
  assert.deepEqual(codesOf({ deviation: 5, account_count: 10 }), ['HIGH_DEVIATION'])
  assert.deepEqual(codesOf({ deviation: 5 - 1e-12, account_count: 10 }), [])
  assert.deepEqual(codesOf({ deviation: -50, account_count: 10 }), [])
})

test('gambling is flagged away from a known home only', () => {
  const at = (location: string, home: number) => [
    ...Array.from({ length: home }, (_, i) => transaction({ timestamp: NOON + i * HOUR })),
    transaction({ timestamp: NOON + 9 * HOUR, location, merchant_category: 'Gambling' }),
  ]
  assert.deepEqual(lastCodes(judge(at('Oslo', 5))), ['GAMBLING_AWAY'])
  assert.deepEqual(lastCodes(judge(at('Oslo', 4))), [], 'four transactions make no home')
  assert.deepEqual(lastCodes(judge(at('Lyon', 5))), [], 'at home')
  assert.deepEqual(lastCodes(judge(at('', 5))), [], 'an unknown location')
  assert.deepEqual(codesOf({ away_from_home: 1 }, { merchant_category: 'Groceries' }), [])
})

test('unknown features hit no shipped rule', () => {
  assert.deepEqual(codesOf({}, { merchant_category: 'Gambling', location: '' }), [])
})

test('a rule sees every feature and the texts of the transaction', (t) => {
  const [rule] = rulesOf(t, {
    code: 'ALL',
    score: 1,
    when: [
      ...FEATURES.map((name, i) => `${name} == ${i + 1}.0`),
      'merchant_category == "Fuel" && location == "Lyon" && channel == "ATM" && currency == "CHF"',
    ].join(' && '),
  }).rules
  const tx = transaction({ merchant_category: 'Fuel', channel: 'ATM', currency: 'CHF' })
  const row = Float64Array.from([0, ...FEATURES.keys()], (_, i) => i)
  assert.equal(rule.hits(rowContext(tx, row, 1)), true)
  assert.equal(rule.hits(rowContext({ ...tx, currency: 'EUR' }, row, 1)), false)
})

test('a rule that fails on a transaction does not hit, and stops nothing', (t) => {
  const { rules } = rulesOf(t, { code: 'NUMBER', score: 1, when: 'location != "" && int(location) > 5' })
  const hits = (location: string) => rules[0].hits(rowContext(transaction({ location }), featureRow({}), 0))
  assert.deepEqual([hits('6'), hits('Lyon'), hits('')], [true, false, false])
})

test('a message shows variables with two decimals, and says what is unknown', () => {
  const context: RuleContext = { amount: 12.3456, deviation: Number.NaN, location: 'Aix $& en', home: '' }
  const shown = fillIn('{amount}|{deviation}|{location}|{home}|{ amount }', context)
  assert.equal(shown, '12.35|unknown|Aix $& en||{ amount }')
})

const A: RuleText = { code: 'A', score: 0.8, when: 'amount > 1.0' }

const faulty: [string, RuleText[], RegExp][] = [
  ['an unknown variable', [A, { ...A, code: 'B', when: 'amuont > 1.0' }], /rule B: Unknown variable: amuont/],
  [
    'a condition that is not true or false',
    [{ ...A, when: 'amount' }],
    /rule A: gives double, not true or false/,
  ],
  ['a syntax error', [{ ...A, when: 'amount >' }], /rule A: Unexpected token/],
  ['a comparison of a number with a text', [{ ...A, when: 'amount > "1"' }], /rule A: no such overload/],
  [
    'a condition that always fails',
    [{ ...A, when: 'location.matches("(")' }],
    /rule A: Invalid regular expression/,
  ],
  ['a code that stands twice', [A, { ...A, code: 'B' }, A], /rule A: the code stands twice/],
  ["the model's code", [{ ...A, code: 'MODEL' }], /rule MODEL: code: the model's own code/],
  ['a code in small letters', [{ ...A, code: 'a' }], /rule a: code: expected capitals/],
  ['a score above 1', [A, { ...A, code: 'B', score: 1.01 }], /rule B: score: .*<=1/],
  ['a score below 0', [{ ...A, score: -0.1 }], /rule A: score: .*>=0/],
  [
    'a message that shows no variable',
    [{ ...A, message: 'of {amuont}' }],
    /rule A: .*\{amuont\}.* no variable/,
  ],
  ['a key that is none', [{ ...A, scroe: 1 } as RuleText], /rule A: .*"scroe"/],
]
for (const [what, texts, message] of faulty) {
  test(`${what} is refused with the file and the rule`, (t) => {
    assert.throws(
      () => rulesOf(t, ...texts),
      (error: Error) => {
        assert.match(error.message, message)
        assert.match(error.message, /weir-rules-\w+\/rules\.yaml: /)
        return true
      },
    )
  })
}

test('a file that is no YAML, is empty, has a rule without a code, or is not there is refused with its name', (t) => {
  assert.throws(() => loadRules(rulesFile(t, 'rules: [')), /rules\.yaml: .*line 1/s)
  assert.throws(() => loadRules(rulesFile(t, '')), /rules\.yaml: /)
  const nameless = 'rules:\n  - { score: 1, when: "true", message: x }\n'
  assert.throws(() => loadRules(rulesFile(t, nameless)), /rules\.yaml: rule 1: code: /)
  assert.throws(() => loadRules('/nowhere/rules.yaml'), /\/nowhere\/rules\.yaml: .*ENOENT/)
})

test('the version tells the content, not the layout of the file', (t) => {
  const version = (text: string) => loadRules(rulesFile(t, text)).version
  const one = version('rules:\n  - { code: A, score: 0.8, when: "true", message: x }\n')
  assert.equal(
    version('# a word\nrules:\n  - code: A\n    score: 0.80\n    when: "true"\n    message: x\n'),
    one,
  )
  assert.notEqual(version('rules:\n  - { code: A, score: 0.9, when: "true", message: x }\n'), one)
  assert.match(one, /^rules-[0-9a-f]{12}$/)
})

test('a check is told of a comparison with a number, not of a calculation or a text', (t) => {
  const checks = (when: string) =>
    rulesOf(t, { code: 'A', score: 1, when }).rules[0].checks.map(
      ({ feature, operator, limit }) => `${feature} ${operator} ${limit}`,
    )
  assert.deepEqual(checks('amount>=1500.0 && deviation < -2.5'), ['amount >= 1500', 'deviation < -2.5'])
  assert.deepEqual(checks('amount > 1e3'), ['amount > 1000'])
  assert.deepEqual(checks('amount >= 2.0 * account_mean || amount > 3.0 + account_mean'), [])
})

test('a message shows variables only', (t) => {
  const rule = { code: 'A', score: 1, when: 'amount > 1.0', message: 'What {constructor}?' }
  assert.throws(() => rulesOf(t, rule), /no variable/)
})

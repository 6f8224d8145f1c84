import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { parseAmount } from '../../pipeline/produce/parse-amount.ts'
import { parseFields, type Texts } from '../../pipeline/produce/parse-fields.ts'
import { parseEpochMillis, parseTimestamp } from '../../pipeline/produce/parse-timestamp.ts'

describe('an amount', () => {
  const amounts: [edge: string, text: string, units: number, rounded: boolean][] = [
    ['a whole number', '12', 120_000, false],
    ['four decimals', '12.3456', 123_456, false],
    ['zero', '0', 0, false],
    ['minus zero is zero', '-0.00', 0, false],
    ['a negative amount', '-12.5', -125_000, false],
    ['a plus sign', '+12.5', 125_000, false],
    ['no digit before the point', '.5', 5000, false],
    ['no digit behind the point', '5.', 50_000, false],
    ['leading zeros', '000012.5', 125_000, false],
    ['many leading zeros', `${'0'.repeat(40)}1`, 10_000, false],
    ['a float that has no exact double', '0.1', 1000, false],
    ['half goes down to even', '0.00005', 0, true],
    ['half goes up to even', '0.00015', 2, true],
    ['half with more zeros is still half', '0.00025000000', 2, true],
    ['just above half goes up', '0.000250000001', 3, true],
    ['just below half goes down', '0.000249999999999', 2, true],
    ['a negative half goes to even', '-0.00015', -2, true],
    ['a negative half goes to minus zero, which is zero', '-0.00005', 0, true],
    ['rounding carries through all digits', '9.99995', 100_000, true],
    ['fifteen decimals', '123.456789012345678', 1_234_568, true],
    ['five decimals of which the last is a zero count as rounded', '1.00000', 10_000, true],
    ['an exponent', '1e3', 10_000_000, false],
    ['a signed exponent', '1.5E+2', 1_500_000, false],
    ['a negative exponent', '15e-1', 15_000, false],
    ['a tiny amount by exponent', '1.5E-7', 0, true],
    ['decimals that the exponent takes away are none', '1.23456e2', 1_234_560, false],
    ['zero with a huge exponent', '0e999999999999', 0, false],
    ['an exponent beyond every double', `1e-${'9'.repeat(400)}`, 0, true],
    ['the largest exact amount', '900719925474.0991', Number.MAX_SAFE_INTEGER, false],
  ]
  for (const [edge, text, units, rounded] of amounts) {
    test(`is exact: ${edge}`, () => assert.deepStrictEqual(parseAmount(text), { units, rounded }))
  }

  const refused: [edge: string, text: string][] = [
    ['a thousands separator', '1,234.50'],
    ['a decimal comma', '12,50'],
    ['a currency sign', '€12'],
    ['letters', 'abc'],
    ['two points', '1.2.3'],
    ['a lone sign', '-'],
    ['a lone point', '.'],
    ['an exponent without a number', 'e5'],
    ['an exponent without digits', '1e'],
    ['hexadecimal', '0x10'],
    ['a digit separator', '1_000'],
    ['not a number', 'NaN'],
    ['infinity', '-Infinity'],
    ['digits that are not ASCII', '１２'],
    ['a space inside', '1 000'],
    ['one unit above the largest exact amount', '900719925474.0992'],
    ['what rounds to above the largest exact amount', '900719925474.09915'],
    ['more than decimal(18,4) holds', '100000000000000'],
    ['a huge exponent', '1e400'],
  ]
  for (const [edge, text] of refused) {
    test(`is refused: ${edge}`, () => assert.equal(typeof parseAmount(text), 'string'))
  }

  test('equals a BigInt oracle for any sign, digits and exponent', () => {
    const digits = fc.stringMatching(/^\d{0,20}$/)
    fc.assert(
      fc.property(
        fc.constantFrom('', '+', '-'),
        digits,
        digits,
        fc.option(fc.integer({ min: -25, max: 25 }), { nil: undefined }),
        (sign, whole, fraction, exponent) => {
          fc.pre(whole + fraction !== '')
          const text = `${sign}${whole}.${fraction}${exponent === undefined ? '' : `e${exponent}`}`
          const expected = oracle(sign, whole, fraction, exponent ?? 0)
          const got = parseAmount(text)
          if (expected > BigInt(Number.MAX_SAFE_INTEGER) || expected < BigInt(Number.MIN_SAFE_INTEGER)) {
            assert.equal(typeof got, 'string', text)
          } else {
            const rounded = fraction.length - (exponent ?? 0) > 4
            assert.deepStrictEqual(got, { units: Number(expected), rounded }, text)
          }
        },
      ),
      { numRuns: 2000 },
    )
  })
})

/** Units by scaling to a common denominator and dividing, half to even. */
function oracle(sign: string, whole: string, fraction: string, exponent: number): bigint {
  const numerator = BigInt(whole + fraction || '0') * 10n ** BigInt(exponent + 4 + 50)
  const denominator = 10n ** BigInt(fraction.length + 50)
  let units = numerator / denominator
  const twice = 2n * (numerator % denominator)
  if (twice > denominator || (twice === denominator && units % 2n === 1n)) units++
  return sign === '-' ? -units : units
}

describe('a timestamp', () => {
  const noon = Date.UTC(2026, 1, 28, 12, 0, 0)
  const times: [edge: string, text: string, millis: number][] = [
    ['ISO 8601 with Z', '2026-02-28T12:00:00Z', noon],
    ['a space instead of T is UTC', '2026-02-28 12:00:00', noon],
    ['T without an offset is UTC', '2026-02-28T12:00:00', noon],
    ['an offset east', '2026-02-28T14:00:00+02:00', noon],
    ['an offset west over midnight', '2026-02-27T23:30:00-12:30', noon],
    ['an offset without a colon', '2026-02-28T14:00:00+0200', noon],
    ['an offset of hours', '2026-02-28 14:00:00+02', noon],
    ['lower case', '2026-02-28t12:00:00z', noon],
    ['without seconds', '2026-02-28T12:00', noon],
    ['a date alone is its midnight', '2026-02-28', noon - 12 * 3_600_000],
    ['milliseconds', '2026-02-28T12:00:00.123Z', noon + 123],
    ['tenths', '2026-02-28T12:00:00.5Z', noon + 500],
    ['nanoseconds are cut, not rounded', '2026-02-28T12:00:00.999999999Z', noon + 999],
    ['a decimal comma', '2026-02-28T12:00:00,25Z', noon + 250],
    ['a leap day', '2024-02-29', Date.UTC(2024, 1, 29)],
    ['before 1970', '1969-12-31T23:59:59.999Z', -1],
    ['the year 50', '0050-01-01T00:00:00Z', Date.parse('0050-01-01T00:00:00Z')],
    ['the far future can be written', '9999-12-31T23:59:59Z', Date.parse('9999-12-31T23:59:59Z')],
  ]
  for (const [edge, text, millis] of times) {
    test(`is read: ${edge}`, () => assert.equal(parseTimestamp(text), millis))
  }

  const refused: [edge: string, text: string][] = [
    ['a day that the month has not', '2026-02-30'],
    ['a leap day of a common year', '2026-02-29T00:00:00Z'],
    ['day 0', '2026-03-00'],
    ['month 0', '2026-00-10'],
    ['month 13', '2026-13-01'],
    ['hour 24', '2026-02-28T24:00:00Z'],
    ['minute 60', '2026-02-28T12:60:00Z'],
    ['second 60', '2026-02-28T12:00:60Z'],
    ['an offset of a day', '2026-02-28T12:00:00+24:00'],
    ['an offset of a date alone', '2026-02-28+02:00'],
    ['slashes', '28/02/2026'],
    ['a year of two digits', '26-02-28'],
    ['a number', '1795492800000'],
    ['text behind it', '2026-02-28T12:00:00Z!'],
    ['words', 'yesterday'],
  ]
  for (const [edge, text] of refused) {
    test(`is refused: ${edge}`, () => assert.equal(parseTimestamp(text), undefined))
  }

  test('is the same as what Date prints, for any time', () => {
    fc.assert(
      fc.property(
        fc.date({ min: new Date('0000-01-01'), max: new Date('9999-12-31'), noInvalidDate: true }),
        (date) => assert.equal(parseTimestamp(date.toISOString()), date.getTime()),
      ),
    )
  })

  test('as a number is milliseconds since 1970, within what a Date can hold', () => {
    assert.equal(parseEpochMillis('1795492800000'), 1795492800000)
    assert.equal(parseEpochMillis('1.7954928e12'), 1795492800000)
    assert.equal(parseEpochMillis('1795492800000.9'), 1795492800000)
    assert.equal(parseEpochMillis('1e300'), undefined)
  })
})

describe('the fields of a line', () => {
  const required: Texts = { transaction_id: 't', account_id: 'a', timestamp: '2026-01-01', amount: '1' }
  const parse = (texts: Texts) => parseFields({ ...required, ...texts })
  const transactionOf = (texts: Texts) => {
    const parsed = parse(texts)
    assert.ok('transaction' in parsed, 'reason' in parsed ? parsed.reason : '')
    return parsed.transaction
  }

  test('take their defaults where they are missing', () => {
    assert.deepStrictEqual(transactionOf({}), {
      transaction_id: 't',
      account_id: 'a',
      timestamp: Date.UTC(2026, 0, 1),
      amount: 10_000,
      currency: 'EUR',
      merchant_id: null,
      merchant_category: '',
      location: '',
      channel: 'OTHER',
      is_fraud: null,
    })
  })

  test('take their defaults where they are empty', () => {
    const empty = {
      currency: '',
      merchant_id: '',
      merchant_category: '',
      location: '',
      channel: '',
      is_fraud: '',
    }
    assert.deepStrictEqual(transactionOf(empty), transactionOf({}))
  })

  for (const [text, label] of [
    ['0', false],
    ['1', true],
    ['true', true],
    ['False', false],
    [' TRUE ', true],
  ] as const) {
    test(`is_fraud ${JSON.stringify(text)} is ${label}`, () =>
      assert.equal(transactionOf({ is_fraud: text }).is_fraud, label))
  }

  const sent: [what: string, texts: Texts][] = [
    ['a negative amount', { amount: '-5' }],
    ['a currency that is none', { currency: 'euros' }],
    ['a time in the far future', { timestamp: '9999-01-01' }],
    ['an id that is too long', { transaction_id: 'x'.repeat(1000) }],
    ['a NUL character', { account_id: 'a\0b' }],
  ]
  for (const [what, texts] of sent) {
    test(`become a record although it is not valid: ${what}`, () => void transactionOf(texts))
  }

  const bad: [texts: Texts, reason: RegExp][] = [
    [{ transaction_id: '' }, /^transaction_id is missing$/],
    [{ account_id: undefined }, /^account_id is missing$/],
    [{ timestamp: '' }, /^timestamp is missing$/],
    [{ amount: '' }, /^amount is missing$/],
    [{ amount: ' ' }, /^amount " " is not a decimal number/],
    [{ amount: '12,50' }, /^amount "12,50" is not a decimal number/],
    [{ amount: '1e300' }, /^amount "1e300" does not fit/],
    [{ timestamp: '2026-02-30' }, /^timestamp "2026-02-30" is not a time/],
    [{ channel: 'PIGEON' }, /^channel "PIGEON" is none of CARD_PRESENT, ECOMMERCE, ATM, TRANSFER, OTHER$/],
    [{ is_fraud: '2' }, /^is_fraud "2" is none of/],
    [{ is_fraud: 'x'.repeat(1000) }, /^is_fraud "x{40}…" is none of/],
    [{ amount: '\x1b[2J' }, /^amount "\\u001b\[2J"/],
  ]
  for (const [texts, reason] of bad) {
    test(`are bad with the reason ${reason}`, () => {
      const parsed = parse(texts)
      assert.match('reason' in parsed ? parsed.reason : 'none', reason)
    })
  }
})

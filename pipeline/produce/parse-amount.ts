/** Decimals that Avro's decimal(18,4) keeps. */
const SCALE = 4
/** Digits of 2^53: a longer integer is not exact in a double. */
const MAX_DIGITS = 16

const DECIMAL = /^([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d+))?$/

export interface Amount {
  /** Units of 1/10,000. */
  units: number
  /** Whether it was written with more than four decimals. */
  rounded: boolean
}

/**
 * Reads an amount from its decimal text, digit by digit, so that it is exact; more than four decimals are rounded
 * half to even. Takes a sign and an exponent ("-12.5", "1.5E-7"), no thousands separators.
 * @returns the amount, or what is wrong with the text
 */
export function parseAmount(text: string): Amount | string {
  const match = DECIMAL.exec(text)
  const whole = match?.[2] ?? ''
  const fraction = match?.[3] ?? ''
  const digits = (whole + fraction).replace(/^0+(?=.)/, '')
  if (match === null || digits === '') return 'is not a decimal number such as 12.50'
  // An exponent beyond a double's range becomes infinite, and the comparisons below still decide rightly.
  const decimals = fraction.length - Number(match[4] ?? 0)
  const magnitude =
    decimals <= SCALE ? shiftLeft(digits, SCALE - decimals) : halfEven(digits, decimals - SCALE)
  if (!Number.isSafeInteger(magnitude)) return 'does not fit: amounts are exact up to 900719925474.0991'
  const units = match[1] === '-' && magnitude !== 0 ? -magnitude : magnitude
  return { units, rounded: decimals > SCALE }
}

/** The digits with so many zeros behind them, as a number; infinite where that cannot be exact. */
function shiftLeft(digits: string, zeros: number): number {
  if (digits === '0') return 0
  return digits.length + zeros > MAX_DIGITS ? Number.POSITIVE_INFINITY : Number(digits + '0'.repeat(zeros))
}

/** The digits without their last `cut` ones, rounded half to even. */
function halfEven(digits: string, cut: number): number {
  // Fewer digits than are cut: less than a tenth of a unit.
  if (cut > digits.length) return 0
  const kept = digits.slice(0, digits.length - cut)
  const rest = digits.slice(digits.length - cut)
  if (kept.length > MAX_DIGITS) return Number.POSITIVE_INFINITY
  const units = Number(kept)
  const half = rest[0] === '5' && /^50*$/.test(rest)
  const up = half ? units % 2 === 1 : rest[0] >= '5'
  return up ? units + 1 : units
}

/**
 * From a model's raw score to 0..1 by how rare it is: a transaction whose raw score one in 500 of the training
 * transactions reaches gets 0.7, the default threshold, and the scale is logarithmic:
 *
 *     score(p) = 0.7 * log(p) / log(1/500)    p = share of training transactions with at least this raw score
 *
 * Everything gets 0 at p = 1, and 1 from p = 1.4e-4 on. Kept as a table of knots, linear in between. What is rarer than
 * all training transactions gets the score of their rarest: few of them cannot tell what one in thousands looks like.
 */
export interface Calibration {
  /** Raw scores, ascending, and the score at each. */
  raw: number[]
  score: number[]
}

const ALERT_SHARE = 1 / 500
const ALERT_SCORE = 0.7
const KNOTS = 100

/** @param rawScores of the training transactions, in any order; at least 1 */
export function calibrate(rawScores: Float64Array): Calibration {
  const sorted = Float64Array.from(rawScores).sort()
  const n = sorted.length
  const raw: number[] = []
  const score: number[] = []
  for (let k = 0; k <= KNOTS; k++) {
    const p = ALERT_SHARE ** (k / KNOTS / ALERT_SCORE)
    const value = sorted[Math.min(n - 1, Math.floor((1 - p) * n))]
    // Of equal raw scores the first knot holds: all of them have at least this score.
    if (raw.length > 0 && value <= raw[raw.length - 1]) continue
    raw.push(value)
    score.push(k / KNOTS)
  }
  return { raw, score }
}

/** @returns the score, 0..1, of a raw score */
export function calibrated({ raw, score }: Calibration, value: number): number {
  const last = raw.length - 1
  if (value >= raw[last]) return score[last]
  if (value < raw[0]) return 0
  let low = 0
  let high = last
  while (high - low > 1) {
    const middle = (low + high) >> 1
    if (raw[middle] <= value) low = middle
    else high = middle
  }
  return score[low] + ((score[high] - score[low]) * (value - raw[low])) / (raw[high] - raw[low])
}

import { FRAUD, type Tested, UNKNOWN } from './tested.ts'

/**
 * What an alert at each score that occurs would find: the different scores, highest first, and how many rows have at
 * least that score. Equal scores are one step: no order among them may make a figure better or worse.
 */
export interface Ranking {
  scores: Float32Array
  /** Rows with at least this score, labelled or not. */
  alerts: Float64Array
  /** Those among them whose label is known, and those that are fraud. */
  labelled: Float64Array
  frauds: Float64Array
  /** Amounts of these frauds, in units; without those that have no rate. */
  caught: Float64Array
}

export function rank({ scores, labels, amounts }: Tested): Ranking {
  const order = Uint32Array.from(scores.keys()).sort((a, b) => scores[b] - scores[a])
  const steps = order.reduce((n, row, i) => (i === 0 || scores[row] < scores[order[i - 1]] ? n + 1 : n), 0)
  const ranking: Ranking = {
    scores: new Float32Array(steps),
    alerts: new Float64Array(steps),
    labelled: new Float64Array(steps),
    frauds: new Float64Array(steps),
    caught: new Float64Array(steps),
  }
  let step = -1
  let labelled = 0
  let frauds = 0
  let caught = 0
  for (let i = 0; i < order.length; i++) {
    const row = order[i]
    if (i === 0 || scores[row] < ranking.scores[step]) ranking.scores[++step] = scores[row]
    if (labels[row] !== UNKNOWN) labelled++
    if (labels[row] === FRAUD) {
      frauds++
      if (!Number.isNaN(amounts[row])) caught += amounts[row]
    }
    ranking.alerts[step] = i + 1
    ranking.labelled[step] = labelled
    ranking.frauds[step] = frauds
    ranking.caught[step] = caught
  }
  return ranking
}

/**
 * Area under the ROC curve: the chance that a fraud has a higher score than another transaction, equal scores counting
 * half, as by mid-ranks.
 * @returns 0..1; null without frauds, and without others
 */
export function aucRoc({ labelled, frauds }: Ranking): number | null {
  const all = last(frauds)
  const others = last(labelled) - all
  if (all === 0 || others === 0) return null
  let area = 0
  for (let i = 0; i < frauds.length; i++) {
    const [before, othersBefore] = i === 0 ? [0, 0] : [frauds[i - 1], labelled[i - 1] - frauds[i - 1]]
    area += ((labelled[i] - frauds[i] - othersBefore) * (frauds[i] + before)) / 2
  }
  return area / all / others
}

/**
 * Average precision: the precision at each score, weighted by the recall that it adds; no interpolation.
 * @returns 0..1; null without frauds
 */
export function averagePrecision({ labelled, frauds }: Ranking): number | null {
  const all = last(frauds)
  if (all === 0) return null
  let sum = 0
  for (let i = 0; i < frauds.length; i++) {
    const added = frauds[i] - (i === 0 ? 0 : frauds[i - 1])
    if (added > 0) sum += (added * frauds[i]) / labelled[i]
  }
  return sum / all
}

/** The last value; 0 if there is none. */
export const last = (values: Float64Array): number => values.at(-1) ?? 0

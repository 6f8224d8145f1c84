import { last, type Ranking } from './ranking.ts'

/** What alerting from a threshold on would have done. */
export interface Outcome {
  threshold: number
  alerts_per_day: number
  /** Share of the alerts that are fraud, of those whose label is known; null without such. */
  precision: number | null
  /** Share of the frauds that are alerts; null without frauds. */
  recall: number | null
  /** Amounts of the frauds found and of the others, in units of 1/10,000 of the base currency. */
  caught: number
  missed: number
}

/** @param days that the test took */
export function outcomeAt(ranking: Ranking, threshold: number, days: number): Outcome {
  const step = stepOf(ranking, threshold)
  const at = (column: Float64Array): number => (step === -1 ? 0 : column[step])
  const frauds = at(ranking.frauds)
  const labelled = at(ranking.labelled)
  const all = last(ranking.frauds)
  return {
    threshold,
    alerts_per_day: at(ranking.alerts) / days,
    precision: labelled === 0 ? null : frauds / labelled,
    recall: all === 0 ? null : frauds / all,
    caught: at(ranking.caught),
    missed: last(ranking.caught) - at(ranking.caught),
  }
}

/**
 * The lowest threshold that gives at most so many alerts.
 * @returns null if the rows with the highest score are more than that already
 */
export function thresholdFor({ scores, alerts }: Ranking, most: number): number | null {
  const step = alerts.findLastIndex((count) => count <= most)
  return step === -1 ? null : scores[step]
}

/** The last step with at least this score, compared as the column stores both: in 32 bits. */
function stepOf({ scores }: Ranking, threshold: number): number {
  const limit = Math.fround(threshold)
  return scores.findLastIndex((score) => score >= limit)
}

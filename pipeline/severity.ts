/** Bands of a decision's score, the lowest first: how urgent an anomaly is to those who watch many of them. */
export const SEVERITIES = ['low', 'medium', 'high', 'critical'] as const
export type Severity = (typeof SEVERITIES)[number]

/** From these scores on, in 32 bits as scores are. */
const [MEDIUM, HIGH, CRITICAL] = [0.7, 0.8, 0.9].map(Math.fround)

/** @param score 0..1 */
export function severityOf(score: number): Severity {
  const rounded = Math.fround(score)
  if (rounded >= CRITICAL) return 'critical'
  if (rounded >= HIGH) return 'high'
  return rounded >= MEDIUM ? 'medium' : 'low'
}

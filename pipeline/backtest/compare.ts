import { isDeepStrictEqual } from 'node:util'
import type { Batch } from '../batch.ts'
import type { StoredDecision } from '../history/sources.ts'

/** How many stored decisions were made anew by the same rules and model, and which came out otherwise. */
export class Comparison {
  compared = 0
  differing = 0
  /** A few of those, told in full. */
  readonly examples: string[] = []

  /** @param row of the batch, to which the stored decision belongs */
  take(batch: Batch, row: number, stored: StoredDecision, versions: { rules: string; model: string }): void {
    if (stored.rules_version !== versions.rules || stored.model_version !== versions.model) return
    this.compared++
    const now = decisionOf(batch, row)
    const { score, is_anomaly, alert_reason, reasons, features } = stored
    const then = { score: Math.fround(score), is_anomaly, alert_reason, reasons, features }
    if (isDeepStrictEqual(now, then)) return
    if (this.differing++ < EXAMPLES) {
      const place = `partition ${stored.kafka_partition}, offset ${stored.kafka_offset}`
      const id = batch.transactions[row].transaction_id
      this.examples.push(`${id} (${place}): stored ${JSON.stringify(then)}, now ${JSON.stringify(now)}`)
    }
  }
}

const EXAMPLES = 5

/** As PostgreSQL would give it back. */
function decisionOf(batch: Batch, row: number): object {
  const anomaly = batch.anomalies.get(row)
  return {
    score: batch.scores[row],
    is_anomaly: anomaly !== undefined,
    alert_reason: anomaly?.reasons[0].code ?? null,
    reasons: asJson(anomaly?.reasons ?? null),
    features: asJson(anomaly?.features ?? null),
  }
}

/** JSON knows no -0. */
const asJson = (value: unknown): unknown => JSON.parse(JSON.stringify(value))

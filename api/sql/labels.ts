import { ANALYST_ORIGIN } from '../../schemas/label.ts'
import type { Status } from '../../schemas/transaction.ts'
import type { Query } from './database.ts'

/** What a status says of the transaction. The others say nothing: that is not the same as legitimate. */
const VERDICTS: ReadonlyMap<string, boolean> = new Map<Status, boolean>([
  ['FRAUD', true],
  ['DISMISSED', false],
])

export interface Verdict {
  transaction_id: string
  /** Event time, with its microseconds. */
  exact_time: string
  previous_status: string
  new_status: Status
  actor: string
}

/**
 * Writes the label that a change of status is: within its transaction, after its row was locked. A verdict that is taken
 * back leaves what others than analysts said last, or a label without a word.
 */
export async function labelByStatus(query: Query, verdict: Verdict): Promise<void> {
  const { transaction_id, exact_time, previous_status, new_status, actor } = verdict
  const isFraud = VERDICTS.get(new_status)
  if (isFraud === undefined && !VERDICTS.has(previous_status)) return
  const isTakenBack = isFraud === undefined
  await query(
    // Not now(): of two at once the one who got the lock last may have begun first.
    `INSERT INTO labels (transaction_id, timestamp, is_fraud, origin, known_at)
     VALUES ($1, $2, ${isTakenBack ? OTHERS_WORD : '$4::boolean'}, $3, clock_timestamp())`,
    [transaction_id, exact_time, ANALYST_ORIGIN + actor, isTakenBack ? ANALYST_ORIGIN : isFraud],
    isTakenBack ? 'take-label-back' : 'label',
  )
}

const OTHERS_WORD = `(
  SELECT is_fraud FROM labels WHERE transaction_id = $1 AND timestamp = $2 AND NOT starts_with(origin, $4)
  ORDER BY known_at DESC, id DESC LIMIT 1)`

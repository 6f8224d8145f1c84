import { ANALYST_ORIGIN } from '../../schemas/label.ts'
import type { Status } from '../../schemas/transaction.ts'
import type { Given } from './given.ts'

/** What a status says of the transaction. The others say nothing: that is not the same as legitimate. */
const VERDICTS: ReadonlyMap<string, boolean> = new Map<Status, boolean>([
  ['FRAUD', true],
  ['DISMISSED', false],
])

/**
 * The part of a statement that writes the labels which changes of a status are, of its part `updated (transaction_id,
 * timestamp, previous_status)`. A verdict that is taken back leaves what others than analysts said last, or a label
 * without a word.
 */
export function labelOf(given: Given, newStatus: Status, actor: string): { sql: string; name: string } {
  const isFraud = VERDICTS.get(newStatus)
  const origin = given(ANALYST_ORIGIN + actor)
  const [word, which, name] =
    isFraud === undefined
      ? [othersWord(given), `u.previous_status = ANY (${given([...VERDICTS.keys()])})`, 'no-verdict']
      : [`${given(isFraud)}::boolean`, 'true', 'verdict']
  // Not now(): of two at once the one who got the lock last may have begun first.
  const sql = `
    INSERT INTO labels (transaction_id, timestamp, is_fraud, origin, known_at)
    SELECT u.transaction_id, u.timestamp, ${word}, ${origin}, clock_timestamp() FROM updated u WHERE ${which}`
  return { sql, name }
}

const othersWord = (given: Given): string => `(
  SELECT l.is_fraud FROM labels l
  WHERE l.transaction_id = u.transaction_id AND l.timestamp = u.timestamp AND NOT starts_with(l.origin, ${given(ANALYST_ORIGIN)})
  ORDER BY l.known_at DESC, l.id DESC LIMIT 1)`

import { ANALYST_ORIGIN } from '../../schemas/label.ts'
import type { Status } from '../../schemas/transaction.ts'
import type { Given } from './given.ts'

/** What a status says of the transaction. The others say nothing: that is not the same as legitimate. */
const VERDICTS: ReadonlyMap<string, boolean> = new Map<Status, boolean>([
  ['FRAUD', true],
  ['DISMISSED', false],
])

/**
 * The part of a statement that writes the labels which a new status is: of its part `updated (transaction_id, timestamp,
 * previous_status)`, after these rows were locked. A verdict that is taken back leaves what others than analysts said last,
 * or a label without a word. Where there is none to write, nothing waits for the labels' lock.
 * @param rows the same ones, with their status until now
 */
export function labelsOf(
  given: Given,
  newStatus: Status,
  actor: string,
  rows: readonly { status: Status }[],
): { sql: string; name: string } {
  const isFraud = VERDICTS.get(newStatus)
  if (isFraud !== undefined)
    return { sql: insert(given, actor, `${given(isFraud)}::boolean`, 'true'), name: 'verdict' }
  if (!rows.some(({ status }) => VERDICTS.has(status))) return { sql: 'SELECT', name: 'no-label' }
  const isTakenBack = `u.previous_status = ANY (${given([...VERDICTS.keys()])})`
  return { sql: insert(given, actor, othersWord(given), isTakenBack), name: 'taken-back' }
}

// Not now(): of two at once the one who got the lock last may have begun first.
const insert = (given: Given, actor: string, word: string, which: string): string => `
  INSERT INTO labels (transaction_id, timestamp, is_fraud, origin, known_at)
  SELECT u.transaction_id, u.timestamp, ${word}, ${given(ANALYST_ORIGIN + actor)}, clock_timestamp()
  FROM updated u WHERE ${which} RETURNING 1`

const othersWord = (given: Given): string => `(
  SELECT l.is_fraud FROM labels l
  WHERE l.transaction_id = u.transaction_id AND l.timestamp = u.timestamp AND NOT starts_with(l.origin, ${given(ANALYST_ORIGIN)})
  ORDER BY l.known_at DESC, l.id DESC LIMIT 1)`

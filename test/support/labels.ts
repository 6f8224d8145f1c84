import type { Label } from '../../schemas/label.ts'
import { query, until } from '../harness.ts'
import { NOON } from './transactions.ts'

/** An ordinary label, changed as the test needs it. */
export const label = (changes: Partial<Label> = {}): Label => ({
  transaction_id: 't-1',
  timestamp: NOON,
  is_fraud: true,
  origin: 'chargeback',
  known_at: NOON + 1000,
  ...changes,
})

export interface StoredLabel {
  transaction_id: string
  /** Milliseconds. */
  timestamp: number
  is_fraud: boolean | null
  origin: string
  /** Milliseconds. */
  known_at: number
}

const COLUMNS = `transaction_id, (extract(epoch FROM timestamp) * 1000)::bigint AS timestamp, is_fraud, origin,
  (extract(epoch FROM known_at) * 1000)::bigint AS known_at`

/** The table's labels, in the order in which they were stored. */
export const storedLabels = (url: string): Promise<StoredLabel[]> =>
  query(url, `SELECT ${COLUMNS} FROM labels ORDER BY id`)

/** What counts of each transaction. */
export const lastLabels = (url: string): Promise<StoredLabel[]> =>
  query(url, `SELECT ${COLUMNS} FROM last_labels ORDER BY transaction_id, timestamp`)

/** Waits until the table has so many labels. */
export async function untilLabels(url: string, count: number, seconds = 20): Promise<StoredLabel[]> {
  let seen = 0
  return until(
    async () => {
      const labels = await storedLabels(url)
      seen = labels.length
      return seen >= count ? labels : null
    },
    { seconds, what: `${count} labels` },
  ).catch((error) => {
    throw new Error(`${error.message}: there are ${seen}`, { cause: error })
  })
}

import { type Transaction, transactionType } from '../../schemas/transaction.ts'
import { FRAME_BYTES } from '../../schemas/wire.ts'
import { query } from '../harness.ts'
import { type KafkaSettings, readTopic } from './topics.ts'

/** What became of the transactions that a producer sent, in Jepsen's words. */
export interface Account {
  attempted: number
  acknowledged: number
  stored: number
  dead_lettered: number
  /** Acknowledged, and neither in the table nor among the dead letters. */
  lost: number
  /** Rows beyond the first of a transaction. */
  duplicated: number
  /** Stored and never sent, or sent and not valid. */
  unexpected: number
}

/** Keeps what a producer has tried to send and what Kafka has acknowledged, by transaction id. */
export class Ledger {
  readonly #attempted = new Set<string>()
  readonly #acknowledged = new Set<string>()
  readonly #invalid = new Set<string>()

  /** Sends through `send`; the transactions without a currency are those that must not be stored. */
  async record(transactions: Transaction[], send: (t: Transaction[]) => Promise<void>): Promise<void> {
    for (const { transaction_id, currency } of transactions) {
      this.#attempted.add(transaction_id)
      if (currency === '') this.#invalid.add(transaction_id)
    }
    await send(transactions)
    for (const { transaction_id } of transactions) this.#acknowledged.add(transaction_id)
  }

  async settle(settings: KafkaSettings & { DATABASE_URL: string }): Promise<Account> {
    const rows = await query<{ id: string; count: number }>(
      settings.DATABASE_URL,
      'SELECT transaction_id AS id, count(*) AS count FROM transactions GROUP BY 1',
    )
    const stored = new Set(rows.map((row) => row.id))
    const letters = await readTopic(settings, settings.DEAD_LETTER_TOPIC)
    const deadLettered = new Set(
      letters.map(
        (letter) => (transactionType.decode(letter.value!, FRAME_BYTES).value as Transaction).transaction_id,
      ),
    )
    return {
      attempted: this.#attempted.size,
      acknowledged: this.#acknowledged.size,
      stored: stored.size,
      dead_lettered: deadLettered.size,
      lost: this.#acknowledged.difference(stored).difference(deadLettered).size,
      duplicated: rows.reduce((sum, row) => sum + Number(row.count) - 1, 0),
      unexpected: stored.difference(this.#attempted).size + stored.intersection(this.#invalid).size,
    }
  }
}

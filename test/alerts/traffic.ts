import { AMOUNT_UNITS } from '../../schemas/transaction.ts'
import type { Piece } from '../faults/traffic.ts'

/** So many accounts take turns that none has many transactions within an hour. */
const ACCOUNTS = 200_000

export interface Kind {
  /** Names the transactions. */
  name: string
  /** Of each, in units of the currency. */
  amount?: number
  /** Bytes that are no transaction instead. */
  isPoison?: boolean
}

let sent = 0

/** Traffic of now without end: nothing in it is unusual, unless it is asked for. */
export function* traffic({ name, amount, isPoison = false }: Kind): Generator<Piece, never> {
  for (;;) {
    const n = sent++
    const id = `${name}-${n}`
    if (isPoison) yield { id, kind: 'invalid', key: id, value: Buffer.from('this is no transaction') }
    else
      yield {
        id,
        kind: 'good',
        transaction: {
          transaction_id: id,
          account_id: `ACC-${n % ACCOUNTS}`,
          timestamp: Date.now(),
          amount: (amount ?? 20 + (n % 17)) * AMOUNT_UNITS,
          currency: 'EUR',
          merchant_id: `M-${n % 500}`,
          merchant_category: 'Groceries',
          location: 'Lyon, FR',
          channel: 'CARD_PRESENT',
          is_fraud: null,
        },
      }
  }
}

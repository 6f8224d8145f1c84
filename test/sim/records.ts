import type { Random } from '../../pipeline/produce/random.ts'
import { type Transaction, transactionType } from '../../schemas/transaction.ts'
import { frame } from '../../schemas/wire.ts'

/** A topic's content, drawn from a seed: what a good day brings and what a bad one does. */

export const TOPIC = 'transactions'
export const SCHEMA_ID = 1
const UNKNOWN_ID = 99
/** Event times begin here: half an hour into a month, so that late ones belong to another partition of the table. */
export const START = Date.UTC(2026, 10, 1, 0, 30)
const HOUR = 3_600_000
/** A transaction of this category is refused by the simulated database. */
export const REFUSED = 'REFUSED'

export interface Entry {
  offset: number
  /** Milliseconds, Kafka's own. */
  timestamp: number
  key: Buffer | null
  value: Buffer | null
  /** A transaction's marker: consumers never see it. */
  isControl: boolean
}

/** @returns each partition's entries */
export function drawTopic(random: Random, partitions: number, perPartition: number): Entry[][] {
  const topic = Array.from({ length: partitions }, (_, p) => drawPartition(random, p, perPartition))
  // The same transaction in two partitions, as after a change of their number: only one of them can be stored.
  if (partitions > 1) {
    for (let i = random.integer(0, 4); i > 0; i--) {
      const twin = drawTransaction(random, `twin-${i}`, `twin-${i}`, random.integer(0, perPartition))
      for (const partition of [0, 1]) {
        const entries = topic[partition]
        entries[random.integer(0, entries.length - 1)].value = framed(twin)
      }
    }
  }
  return topic
}

/** Whether the transaction with this id, or the account, is one of those. */
export const isTwin = (id: string): boolean => id.startsWith('twin-')

function drawPartition(random: Random, partition: number, count: number): Entry[] {
  const accounts = random.integer(1, 5)
  const sent: Transaction[] = []
  return Array.from({ length: count }, (_, offset) => {
    const id = `t-${partition}-${offset}`
    const account = `a-${partition}-${random.integer(1, accounts)}`
    const entry = { offset, timestamp: START + 48 * HOUR, key: Buffer.from(account), isControl: false }
    const draw = random.unit()
    if (draw < 0.04) return { ...entry, key: null, value: null, isControl: true }
    if (draw < 0.11) return { ...entry, value: drawPoison(random, id, account) }
    const tx = drawTransaction(random, id, account, offset)
    if (draw < 0.14) return { ...entry, value: framed({ ...tx, merchant_category: REFUSED }) }
    if (draw < 0.3 && sent.length > 0) {
      const earlier = random.chance(0.5) ? sent[sent.length - 1] : random.pick(sent)
      return { ...entry, value: framed(draw < 0.26 ? earlier : { ...earlier, amount: earlier.amount + 1 }) }
    }
    sent.push(tx)
    return { ...entry, value: framed(tx) }
  })
}

const framed = (tx: Transaction): Buffer => frame(SCHEMA_ID, transactionType, tx)

function drawTransaction(random: Random, id: string, account: string, offset: number): Transaction {
  const back = random.chance(0.05) ? 60 * HOUR : random.chance(0.2) ? random.integer(0, 26 * HOUR) : 0
  return {
    transaction_id: id,
    account_id: account,
    timestamp: START + random.integer(0, 3) * (HOUR / 2) + offset * (HOUR / 4) - back,
    amount: random.chance(0.1) ? 0 : random.integer(1, 5_000_0000),
    currency: 'EUR',
    merchant_id: random.chance(0.2) ? null : `m-${random.integer(1, 3)}`,
    merchant_category: 'Groceries',
    location: random.pick(['', 'Lyon', 'Lyon', 'Lyon', 'Oslo', 'Świnoujście']),
    channel: random.pick(['ECOMMERCE', 'ATM', 'OTHER'] as const),
    is_fraud: random.pick([null, true, false]),
  }
}

function drawPoison(random: Random, id: string, account: string): Buffer | null {
  const tx = drawTransaction(random, id, account, 0)
  const value = framed(tx)
  // The registry is asked for it three times within five seconds, which holds everything up: rarely.
  if (random.chance(0.01)) return frame(UNKNOWN_ID, transactionType, tx)
  return random.pick([
    () => null,
    () => Buffer.alloc(0),
    () => Buffer.from('{"not":"framed"}'),
    () => value.subarray(0, value.length - 1),
    () => Buffer.concat([value, Buffer.alloc(1)]),
    () => framed({ ...tx, amount: -1 }),
    () => framed({ ...tx, currency: 'EU' }),
    () => framed({ ...tx, transaction_id: '' }),
    () => framed({ ...tx, location: 'a\0b' }),
    () => framed({ ...tx, timestamp: START + 1000 * HOUR }),
  ])()
}

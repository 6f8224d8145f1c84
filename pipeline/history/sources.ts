import type { Transaction } from '../../schemas/transaction.ts'
import { createOwnership, type Ownership } from '../batch.ts'
import { validate } from '../decode/validate.ts'
import { AccountStates } from '../features/account-states.ts'
import type { Rates } from '../features/rates.ts'
import { ReferenceHistory } from '../features/reference-history.ts'
import { take } from '../produce/batch.ts'
import { readFile } from '../produce/read-file.ts'
import { historyOf, simulate } from '../produce/simulator.ts'
import { dayOf } from './days.ts'
import type { HistoryReferences } from './references.ts'

/**
 * Consecutive transactions of one partition, none of a later day than the first, and the decisions about them where
 * those are stored.
 */
export interface Input {
  owner: Ownership
  transactions: Transaction[]
  stored?: StoredDecision[]
}

export interface StoredDecision {
  score: number
  is_anomaly: boolean
  alert_reason: string | null
  reasons: unknown
  features: unknown
  rules_version: string
  model_version: string
  kafka_partition: number
  kafka_offset: number
}

export interface InputSource {
  batches: AsyncIterable<Input>
  references: HistoryReferences
  /** The share that was read, 0..1; undefined where there is no end to measure by. */
  fraction(): number | undefined
}

/** What the features depend on beside the transactions. */
export interface StateOptions {
  latenessMs: number
  rates: Rates
  /** LABEL_DELAY_DAYS */
  delayDays: number
}

/** A partition without history. */
export const ownership = (partition: number, { latenessMs, rates }: StateOptions): Ownership =>
  createOwnership('', partition, 0, new AccountStates(latenessMs, rates))

/**
 * A file as `npm run produce` reads it, as if it had been one partition, without what the pipeline would reject.
 * @param left told how many lines and transactions were left out
 */
export async function fromFile(
  path: string,
  state: StateOptions,
  { warn, left, signal }: { warn: (m: string) => void; left: (rows: number) => void; signal: AbortSignal },
): Promise<InputSource> {
  const file = await readFile(path, { warn, signal })
  const owner = ownership(0, state)
  async function* batches(): AsyncGenerator<Input> {
    for await (const { transactions, bad } of file.batches) {
      const valid = transactions.filter(isValid)
      left(bad.length + transactions.length - valid.length)
      while (valid.length > 0) yield { owner, transactions: valid.splice(0, firstDays(valid)) }
    }
  }
  const references = new ReferenceHistory(state.delayDays)
  return { batches: batches(), references, fraction: file.fraction }
}

/** A history by the simulator: what the shipped model is trained on. The end is fixed, so that a seed repeats it. */
export function fromSimulator(count: number, seed: number, state: StateOptions): InputSource {
  const owner = ownership(0, state)
  let made = 0
  async function* batches(): AsyncGenerator<Input> {
    const history = simulate(historyOf(seed, count, Date.UTC(2026, 0, 1)))
    for await (const { transactions } of take(history, count)) {
      made += transactions.length
      while (transactions.length > 0) {
        yield { owner, transactions: transactions.splice(0, firstDays(transactions)) }
      }
    }
  }
  return {
    batches: batches(),
    references: new ReferenceHistory(state.delayDays),
    fraction: () => made / count,
  }
}

/** How many of the transactions come before the first one of a later day than the first. */
export function firstDays(transactions: Transaction[]): number {
  const day = dayOf(transactions[0].timestamp)
  const end = transactions.findIndex(({ timestamp }) => dayOf(timestamp) > day)
  return end === -1 ? transactions.length : end
}

const NOTHING = Buffer.alloc(0)

function isValid(tx: Transaction): boolean {
  const fault = validate(tx, tx.timestamp, NOTHING)
  // A replacement character is compared with what was sent: here, with the text itself.
  if (fault?.code === 'INVALID_TEXT')
    return validate(tx, tx.timestamp, Buffer.from(JSON.stringify(tx))) === null
  return fault === null
}

import { setImmediate as breathe } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { createBatch, createOwnership, type Ownership } from '../pipeline/batch.ts'
import { AccountStates } from '../pipeline/features/account-states.ts'
import { computeFeatures } from '../pipeline/stages/features.ts'
import type { Settings } from '../schemas/settings.ts'
import { HOUR } from '../schemas/time.ts'
import type { Transaction } from '../schemas/transaction.ts'
import { currentLoad, describeHost } from './machine.ts'
import { purchases, transactionsOfMonth } from './stages-month.ts'
import { type Memory, type StagesReport, summariseStages } from './stages-report.ts'
import { commitOldest, StageTimer } from './stages-timer.ts'

export interface StagesOptions {
  /** How many accounts have a month behind them. */
  accounts: number
  /** Transactions after that, whose stages are timed. */
  records: number
  settings: Settings
  progress: (line: string) => void
  signal: AbortSignal
}

/** Transactions. */
const WARM_UP = 200_000

/** Lives through a month of the accounts, for their memory, then times each stage on what follows. */
export async function measureStages(options: StagesOptions): Promise<StagesReport> {
  const { accounts, records, settings, progress, signal } = options
  const host = describeHost(currentLoad())
  const partition = () => createOwnership('bench', 0, 0, new AccountStates(settings.ALLOWED_LATENESS * HOUR))
  // What the process itself needs, for its first batches, is not the accounts'.
  await liveThrough(WARM_UP, partition(), purchases(1000), { ...options, progress: () => {} })

  const owner = partition()
  const stream = purchases(accounts)
  const transactions = transactionsOfMonth(accounts)
  progress(`A month of ${number(accounts)} accounts: ${number(transactions)} transactions ...`)
  const before = heapBytes()
  await liveThrough(transactions, owner, stream, options)
  const memory: Memory = {
    transactions,
    accounts_seen: owner.states.accounts,
    state_bytes: owner.states.bytes,
    heap_bytes: heapBytes() - before,
  }

  progress(`Timing the stages of ${number(records)} transactions ...`)
  const timer = await StageTimer.create(owner, settings)
  for (let left = records; left > 0; left -= settings.BATCH_MAX_RECORDS) {
    await timer.measure(take(stream, Math.min(left, settings.BATCH_MAX_RECORDS)))
    await breathe()
    signal.throwIfAborted()
  }
  return summariseStages(timer.samples, { accounts, records, memory, host })
}

async function liveThrough(
  transactions: number,
  owner: Ownership,
  stream: Generator<Transaction, never>,
  { settings, progress, signal }: Omit<StagesOptions, 'accounts' | 'records'>,
): Promise<void> {
  let told = 0
  for (let done = 0; done < transactions; ) {
    const batch = createBatch(owner, 0, 0, [])
    batch.transactions = take(stream, Math.min(settings.BATCH_MAX_RECORDS, transactions - done))
    computeFeatures(batch)
    commitOldest(owner)
    done += batch.transactions.length
    await breathe()
    signal.throwIfAborted()
    const tenth = Math.floor((10 * done) / transactions)
    if (tenth > told) progress(`${10 * tenth} %`)
    told = tenth
  }
}

const number = (value: number): string => value.toLocaleString('en-US')

const take = (stream: Generator<Transaction, never>, count: number): Transaction[] =>
  Array.from({ length: count }, () => stream.next().value)

setFlagsFromString('--expose-gc')
const collectGarbage: () => void = runInNewContext('gc')

function heapBytes(): number {
  collectGarbage()
  return process.memoryUsage().heapUsed
}

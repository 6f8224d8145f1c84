import { F, FEATURE_COUNT, type Feature } from '../features/features.ts'
import type { LabelledRows } from './lightgbm.ts'
import type { TrainingTransactions } from './sources.ts'

const DAY = 86_400_000

/** Some transactions as a model sees them. */
interface Rows {
  values: Float64Array
  timestamps: number[]
  /** Null where it is not known. */
  labels: (boolean | null)[]
}

/**
 * Rows of the transactions in the order given, by the very function that the stream uses.
 * @param transactions with the state that each belongs to: a partition's, or the file's
 * @param read writes what a model sees of a row of features into `out`, which has room for `width` numbers
 */
export async function* readRows(
  transactions: TrainingTransactions,
  width: number,
  read: (features: Float64Array, out: Float64Array) => void,
  signal?: AbortSignal,
): AsyncGenerator<Rows> {
  const features = new Float64Array(FEATURE_COUNT)
  const out = new Float64Array(width)
  for await (const { states, transactions: some } of transactions) {
    signal?.throwIfAborted()
    const values = new Float64Array(some.length * width)
    const undo = states.begin()
    some.forEach((tx, i) => {
      states.observe(tx, undo, features, 0)
      read(features, out)
      values.set(out, i * width)
    })
    states.commit(undo)
    yield { values, timestamps: some.map((tx) => tx.timestamp), labels: some.map((tx) => tx.is_fraud) }
  }
}

/** What was left out of training, and why. */
export interface LeftOut {
  unlabelled: number
  too_young: number
}

/**
 * The transactions whose label is known, as the named features tell them. Unlabelled is not good: those are left out,
 * and so are those whose label could not have been known yet: younger than the newest of all by less than the delay.
 */
export async function labelledRows(
  transactions: TrainingTransactions,
  features: Feature[],
  labelDelayDays: number,
  signal?: AbortSignal,
): Promise<LabelledRows & { leftOut: LeftOut }> {
  const width = features.length
  const columns = features.map((name) => F[name])
  const parts: { values: Float64Array; timestamps: Float64Array; labels: Uint8Array }[] = []
  const leftOut = { unlabelled: 0, too_young: 0 }
  let newest = Number.NEGATIVE_INFINITY
  const read = (row: Float64Array, out: Float64Array): void => {
    for (let i = 0; i < width; i++) out[i] = row[columns[i]]
  }
  for await (const { values, timestamps, labels } of readRows(transactions, width, read, signal)) {
    newest = timestamps.reduce((a, b) => Math.max(a, b), newest)
    const known = [...labels.keys()].filter((row) => labels[row] !== null)
    leftOut.unlabelled += labels.length - known.length
    parts.push({
      values: pick(values, width, known),
      timestamps: Float64Array.from(known, (row) => timestamps[row]),
      labels: Uint8Array.from(known, (row) => (labels[row] ? 1 : 0)),
    })
  }
  const latest = newest - labelDelayDays * DAY
  const rows = { features, values: [] as Float64Array[], labels: [] as Uint8Array[], leftOut }
  let from = Number.POSITIVE_INFINITY
  let to = Number.NEGATIVE_INFINITY
  for (const { values, timestamps, labels } of parts) {
    const old = [...timestamps.keys()].filter((row) => timestamps[row] <= latest)
    leftOut.too_young += timestamps.length - old.length
    rows.values.push(pick(values, width, old))
    rows.labels.push(Uint8Array.from(old, (row) => labels[row]))
    from = old.reduce((first, row) => Math.min(first, timestamps[row]), from)
    to = old.reduce((last, row) => Math.max(last, timestamps[row]), to)
  }
  return { ...rows, from, to }
}

function pick(values: Float64Array, width: number, rows: number[]): Float64Array {
  // All of them, as nearly always: no copy.
  if (rows.length * width === values.length) return values
  const picked = new Float64Array(rows.length * width)
  rows.forEach((row, i) => {
    picked.set(values.subarray(row * width, (row + 1) * width), i * width)
  })
  return picked
}

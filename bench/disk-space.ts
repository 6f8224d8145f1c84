import { statfsSync } from 'node:fs'

/** A row with its share of the indexes, generously; and what PostgreSQL's log and Kafka take beside. */
const BYTES_PER_ROW = 450
const OTHER_BYTES = 8e9

/** Bytes that a table of so many rows needs on the disk, with the copy of it that a run works on. */
export const bytesNeeded = (rows: number): number => 2 * rows * BYTES_PER_ROW + OTHER_BYTES

/** @throws when the disk of the directory has too little left for so many rows, saying how much is missing */
export function requireSpace(directory: string, rows: number): void {
  const { bavail, bsize } = statfsSync(directory)
  const [free, needed] = [bavail * bsize, rows === 0 ? 0 : bytesNeeded(rows)]
  if (free >= needed) return
  const gb = (bytes: number) => `${(bytes / 1e9).toFixed(1)} GB`
  throw new Error(
    `${rows.toLocaleString('en-US')} rows and a copy of them need about ${gb(needed)}, but ${directory} has ` +
      `${gb(free)} left: ${gb(needed - free)} are missing. Take fewer --rows, or set TMPDIR to a larger disk.`,
  )
}

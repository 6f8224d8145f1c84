import { once } from 'node:events'
import { csvLine } from '../csv.ts'
import type { Entry } from './entry.ts'

export const FORMATS = ['ndjson', 'csv'] as const
export type Format = (typeof FORMATS)[number]

const COLUMNS: readonly (keyof Entry)[] = [
  'seq',
  'changed_at',
  'actor',
  'action',
  'transaction_id',
  'timestamp',
  'previous_status',
  'new_status',
  'note',
  'request_id',
  'details',
  'id',
  'previous_hash',
  'hash',
]

/** Writes rows to stdout as they come, no faster than they are read. */
export async function exportEntries(pages: AsyncIterable<Entry[]>, format: Format): Promise<void> {
  if (format === 'csv') await write(csvLine(COLUMNS))
  const lineOf = format === 'csv' ? cellsOf : jsonOf
  for await (const page of pages) await write(page.map(lineOf).join(''))
}

async function write(text: string): Promise<void> {
  if (!process.stdout.write(text)) await once(process.stdout, 'drain')
}

/** The text of `details` is kept as it is: the hash is over it. */
const jsonOf = (entry: Entry): string => `${JSON.stringify(printedDetails(entry))}\n`

/** With the details as an object to look into; `seq` and `id` are below 2^53. */
export const printedDetails = (entry: Entry): Record<string, unknown> => ({
  ...entry,
  seq: Number(entry.seq),
  id: Number(entry.id),
  details: JSON.parse(entry.details),
  details_text: entry.details,
})

const cellsOf = (entry: Entry): string => csvLine(COLUMNS.map((name) => entry[name]))

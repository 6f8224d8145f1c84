import { withClient } from '../../schemas/database.ts'
import { counted, isoTime, jsonLine, printable, table } from '../../schemas/printable.ts'
import { type Entry, filtered } from './entries.ts'
import { type FilterOptions, filterOf } from './options.ts'
import { type Replays, readReplays } from './replays.ts'
import { readEntries, type Session } from './session.ts'

export interface ListOptions extends FilterOptions {
  limit?: number
  json?: true
}

const DEFAULT_LIMIT = 100
const KEY_WIDTH = 36

/** Prints the dead letters that the filters let through, the newest first. */
export async function list(session: Session, options: ListOptions): Promise<void> {
  const found = filtered(await readEntries(session), filterOf(options))
  const shown = found.slice(0, options.limit ?? (options.json ? undefined : DEFAULT_LIMIT))
  const replays = await replaysIfKnown(session)
  if (options.json) {
    for (const entry of shown) console.log(jsonLine(summaryOf(entry, replays)))
    return
  }
  if (shown.length > 0) console.log(table([HEADINGS, ...shown.map((entry) => rowOf(entry, replays))]))
  const more = found.length - shown.length
  console.error(counted(found.length, 'dead letter') + (more > 0 ? `, ${more} not shown (--limit)` : ''))
}

/** What was replayed; null where no database is set, or it cannot tell: looking must be possible without it. */
export async function replaysIfKnown({ settings }: Session): Promise<Map<string, Replays> | null> {
  if (settings.DATABASE_URL === undefined) return null
  const connection = { connectionString: settings.DATABASE_URL, application_name: 'weir-dead-letters' }
  try {
    return await withClient(connection, readReplays)
  } catch (error) {
    console.error(`warning: how often each was replayed is not known: ${(error as Error).message}`)
    return null
  }
}

/** An entry for machines. */
export function summaryOf(entry: Entry, replays: Map<string, Replays> | null) {
  const { origin, first, newest, returned } = entry
  const known = replays?.get(entry.id)
  return {
    origin,
    code: newest.code,
    message: newest.message,
    key: newest.key,
    rejected_at: isoTime(newest.rejectedAt),
    first_rejected_at: isoTime(first.rejectedAt),
    sent_at: isoTime(first.sentAt),
    returned,
    replays: replays === null ? null : (known?.replays ?? 0),
    replayed_at: known?.replayed_at.toISOString() ?? null,
  }
}

const HEADINGS = ['REJECTED AT', 'CODE', 'ORIGIN', 'KEY', 'REPLAYS', 'MESSAGE']

function rowOf(entry: Entry, replays: Map<string, Replays> | null): string[] {
  const { origin, code, message, key, rejected_at, returned, replays: sent } = summaryOf(entry, replays)
  const text = printable(key ?? '-')
  return [
    rejected_at,
    code,
    origin,
    text.length > KEY_WIDTH ? `${text.slice(0, KEY_WIDTH - 1)}…` : text,
    // Without a database only those are known that came back.
    `${sent ?? (returned || '?')}${returned > 0 ? ` (${returned} back)` : ''}`,
    printable(message),
  ]
}

import type { Query } from '../sql/database.ts'
import type { Item } from '../sql/items.ts'
import { anomaliesBetween, statusesBetween } from '../sql/stream.ts'
import { type Cursor, formatCursor, rangesBetween } from './cursor.ts'

/** One event, written out once for all clients. */
export interface StreamEvent {
  kind: 'anomaly' | 'status' | 'reset'
  /** Of an anomaly; the others are for everybody. */
  score?: number
  bytes: Buffer
  /** The place in the stream behind it; its id. */
  after: Cursor
}

export interface Page {
  events: StreamEvent[]
  /** The place behind all of them. */
  after: Cursor
}

/** Events read at once. */
const PAGE_EVENTS = 200

/**
 * The next events on the way from one cursor to a later one that is committed: first anomalies, partition after partition,
 * then the status changes, so that nobody sees a change before what is changed.
 */
export async function readPage(query: Query, from: Cursor, to: Cursor): Promise<Page> {
  const ranges = rangesBetween(from, to)
  const isLast = (rows: readonly unknown[]) => rows.length < PAGE_EVENTS
  if (ranges.length > 0) {
    const items = await anomaliesBetween(query, ranges, PAGE_EVENTS)
    const events = items.map((item) => anomalyEvent(item, placeBehind(item, from, to)))
    return {
      events,
      after: isLast(items) ? { positions: to.positions, audit: from.audit } : events.at(-1)!.after,
    }
  }
  const rows = await statusesBetween(query, from.audit, to.audit, PAGE_EVENTS)
  const events = rows.map(({ seq, ...data }) =>
    streamEvent('status', data, { positions: to.positions, audit: seq }),
  )
  return { events, after: isLast(rows) ? to : events.at(-1)!.after }
}

/** Partitions before the anomaly's are done, those behind it are to come. */
function placeBehind(item: Item, from: Cursor, to: Cursor): Cursor {
  const { kafka_partition, kafka_offset } = item
  const positions = new Map(from.positions)
  for (const [partition, next] of to.positions)
    if (partition < kafka_partition) positions.set(partition, next)
  positions.set(kafka_partition, kafka_offset + 1)
  return { positions, audit: from.audit }
}

const anomalyEvent = (item: Item, after: Cursor): StreamEvent => ({
  ...streamEvent('anomaly', item, after),
  score: item.score,
})

/** Tells a client that what it has is not what is there: it should read the list anew. */
export const resetEvent = (after: Cursor): StreamEvent =>
  streamEvent(
    'reset',
    { message: 'Events are missing here. Read the list anew; the stream goes on from now.' },
    after,
  )

const streamEvent = (kind: StreamEvent['kind'], data: object, after: Cursor): StreamEvent => ({
  kind,
  bytes: Buffer.from(`id: ${formatCursor(after)}\nevent: ${kind}\ndata: ${JSON.stringify(data)}\n\n`),
  after,
})

/** Sets what the client sends as Last-Event-ID, without an event, and shows proxies that the stream lives. */
export const heartbeat = (at: Cursor): Buffer => Buffer.from(`: heartbeat\nid: ${formatCursor(at)}\n\n`)

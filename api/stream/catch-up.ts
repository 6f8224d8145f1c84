import type { Query } from '../sql/database.ts'
import { isFurtherThan } from '../sql/stream.ts'
import { chunksOf, type StreamClient } from './client.ts'
import { type Cursor, covers, rangesBetween } from './cursor.ts'
import { readPage, resetEvent, type StreamEvent } from './events.ts'
import type { Feed } from './feed.ts'
import type { StreamMetrics } from './metrics.ts'
import { selector } from './selection.ts'

/** A client that is more events behind reads the list anew. */
const MAX_BEHIND = 10_000

/**
 * Sends a client what it missed, as fast as it reads, and lets it join the feed when nothing is left. Both read what was
 * committed below the same cursors, so no event is left out or sent twice.
 * @param from what the client has; the feed's cursor is not before it unless positions were set back
 * @throws what the query throws
 */
export async function catchUp(
  client: StreamClient,
  from: Cursor,
  { feed, query, metrics }: { feed: Feed; query: Query; metrics: StreamMetrics },
): Promise<void> {
  const send = (events: readonly StreamEvent[]) => {
    const { bytes, counts } = selector(events)(client.minScore)
    if (client.send(bytes)) metrics.sent(counts)
  }
  const reset = () => {
    send([resetEvent(feed.cursor)])
    return feed.cursor
  }

  const { cursor: target } = feed
  const isFar =
    covers(target, from) &&
    (await isFurtherThan(query, MAX_BEHIND, rangesBetween(from, target), {
      from: from.audit,
      to: target.audit,
    }))
  let at = isFar ? reset() : from
  while (!client.isGone) {
    if (!covers(feed.cursor, at)) at = reset()
    if (covers(at, feed.cursor)) return feed.join(client)
    const page = await readPage(query, at, feed.cursor)
    for (const events of chunksOf(page.events)) {
      await client.room()
      send(events)
    }
    at = page.after
  }
}

import type { ApiMetrics } from '../metrics.ts'
import type { Selection } from './selection.ts'

export interface StreamMetrics {
  dropped(): void
  sent(counts: Selection['counts']): void
}

/** @param clients tells how many there are */
export function streamMetrics(
  { sampled, streamDropped, streamEvents }: ApiMetrics,
  clients: () => number,
): StreamMetrics {
  sampled.streamClients = clients
  return {
    dropped: () => streamDropped.inc(),
    sent: (counts) => {
      for (const [event, count] of counts) streamEvents.inc({ event }, count)
    },
  }
}

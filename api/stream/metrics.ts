import { Counter, Gauge, type Registry } from 'prom-client'
import type { Selection } from './selection.ts'

export interface StreamMetrics {
  dropped(): void
  sent(counts: Selection['counts']): void
}

/** @param clients tells how many there are */
export function streamMetrics(registry: Registry, clients: () => number): StreamMetrics {
  new Gauge({
    name: 'weir_stream_clients',
    help: 'Clients of the stream of events.',
    registers: [registry],
    collect() {
      this.set(clients())
    },
  })
  const dropped = new Counter({
    name: 'weir_stream_dropped_total',
    help: 'Clients of the stream that were cut off because they read too slowly.',
    registers: [registry],
  })
  const events = new Counter({
    name: 'weir_stream_events_total',
    help: 'Events written to clients of the stream, by kind; one that two clients get counts twice.',
    labelNames: ['event'],
    registers: [registry],
  })
  return {
    dropped: () => dropped.inc(),
    sent: (counts) => {
      for (const [event, count] of counts) events.inc({ event }, count)
    },
  }
}

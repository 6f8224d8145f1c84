import { type Host, hostInWords } from './machine.ts'

export interface StreamReport {
  clients: number
  /** Those of them that never read. */
  idle: number
  events: number
  rate: number
  event_bytes: number
  host: Host
  /** Resident memory of the API's process, MiB: with all clients there, before the first event. */
  rss_before_mb: number
  /** The most that was ever resident, by the kernel's count. */
  peak_rss_mb: number
  rss_end_mb: number
  /** From the first commit until the last client that reads had everything. */
  seconds: number
  /** To all clients together. */
  events_per_second: number
  /** From the statement that wrote an event to its arrival at one of the clients. */
  delivery_p50_ms: number
  delivery_p99_ms: number
  /** Clients that the API cut off. */
  dropped: number
  /** Times that clients that read came back after they were cut off. */
  comebacks: number
  /** Clients that read and got everything. */
  complete: number
  /** Events that were missing or came twice, over all clients. */
  out_of_order: number
}

/** @returns what is wrong, or null */
export function faultOf({ clients, idle, complete, out_of_order }: StreamReport): string | null {
  if (out_of_order > 0) return `${out_of_order} events were missing or came twice`
  return complete < clients - idle
    ? `${clients - idle - complete} of ${clients - idle} clients that read did not get everything`
    : null
}

export const renderStream = (r: StreamReport): string =>
  [
    `${number(r.clients)} clients, of which ${r.idle} never read; ${number(r.events)} anomalies of ${number(r.event_bytes)} ` +
      `bytes, ${number(r.rate)} a second.`,
    `${number(r.complete)} of ${number(r.clients - r.idle)} clients that read got everything in order, in ` +
      `${r.seconds.toFixed(1)} s: ${number(r.events_per_second)} events/s to all of them. ${r.dropped} were cut off, ` +
      `${r.comebacks} times one that reads came back.`,
    `From the statement to a client: ${r.delivery_p50_ms.toFixed(0)} ms (median), ${r.delivery_p99_ms.toFixed(0)} ms (99 %).`,
    `Resident memory of the API: ${Math.round(r.rss_before_mb)} MB before, ${Math.round(r.peak_rss_mb)} MB at most, ` +
      `${Math.round(r.rss_end_mb)} MB at the end.`,
    `Clients, PostgreSQL and the API share the machine: ${hostInWords(r.host)}; load before: ${r.host.load_before}.`,
  ].join('\n')

const number = (value: number): string => Math.round(value).toLocaleString('en-US')

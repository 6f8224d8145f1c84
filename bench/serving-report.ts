import type { Rate } from './api-load.ts'
import { type Host, hostInWords } from './machine.ts'

/** The stream for some time, with calls of the API beside it or without. */
export interface Phase {
  kind: 'alone' | 'beside'
  /** Transactions stored a second. */
  ingested_tps: number
  /** From the time that a record was due to its commit. */
  p50_ms: number
  p99_ms: number
  /** The calls that were answered; null when there were none. */
  served: (Rate & { errors: number }) | null
}

interface ServingContext {
  rows: number
  anomalies: number
  accounts: number
  clients: number
  /** Records sent a second. */
  rate: number
  /** Calls asked for a second. */
  requests: number
  seconds: number
  warm_up_seconds: number
  rest_seconds: number
  /** Of which calls, in words. */
  mix: string
  host: Host
  postgres: string
}

export interface ServingReport extends ServingContext {
  phases: Phase[]
  /** What is stored a second beside calls, over the mean of what is stored alone. */
  kept: number
}

export function summariseServing(phases: Phase[], context: ServingContext): ServingReport {
  const mean = (kind: Phase['kind']) => {
    const rates = phases.filter((phase) => phase.kind === kind).map(({ ingested_tps }) => ingested_tps)
    return rates.reduce((sum, rate) => sum + rate, 0) / rates.length
  }
  return { ...context, phases, kept: Math.round((mean('beside') / mean('alone')) * 1000) / 1000 }
}

/** @returns what is wrong, or null */
export function faultOf({ phases }: Pick<ServingReport, 'phases'>): string | null {
  const errors = phases.reduce((sum, { served }) => sum + (served?.errors ?? 0), 0)
  return errors === 0 ? null : `${errors} calls were not answered with 2xx`
}

export function renderServing(report: ServingReport): string {
  const { phases, kept, rate, requests, clients, rows, anomalies, seconds, mix, host, postgres } = report
  const header = ['phase', 'stored/s', 'p50 ms', 'p99 ms', 'calls/s', 'p50 ms', 'p99 ms']
  const lines = phases.map(({ kind, ingested_tps, p50_ms, p99_ms, served }) => [
    kind,
    whole(ingested_tps),
    p50_ms.toFixed(1),
    p99_ms.toFixed(1),
    ...(served === null
      ? ['', '', '']
      : [whole(served.requests_per_second), served.p50_ms.toFixed(1), served.p99_ms.toFixed(1)]),
  ])
  const widths = header.map((_, c) => Math.max(...[header, ...lines].map((cells) => cells[c].length)))
  return [
    ...[header, ...lines].map((cells) =>
      cells
        .map((cell, c) => (c === 0 ? cell.padEnd(widths[c]) : cell.padStart(widths[c])))
        .join('  ')
        .trimEnd(),
    ),
    '',
    `Beside calls the stream stores ${kept} of what it stores alone.`,
    `Sent: ${whole(rate)} records/s, ${whole(requests)} calls/s over ${clients} connections (${mix}); ${seconds} s a phase; ` +
      `${whole(rows)} rows before, ${whole(anomalies)} of them anomalies.`,
    `Senders, Kafka, PostgreSQL, pipeline and API share the machine: ${hostInWords(host)}, PostgreSQL ${postgres}; load ` +
      `before: ${host.load_before}. See bench/README.md.`,
  ].join('\n')
}

const whole = (value: number): string => Math.round(value).toLocaleString('en-US')

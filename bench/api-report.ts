import type { Rate } from './api-load.ts'
import { type Host, hostInWords } from './machine.ts'

export interface CallFigures extends Rate {
  name: string
  /** Answers that were not 2xx, or none. */
  errors: number
  /** The same statements without the API; null where there are none. */
  bare: Rate | null
}

export interface ApiReport {
  calls: CallFigures[]
  rows: number
  anomalies: number
  accounts: number
  /** Indexes included, before the first call. */
  database_mb: number
  clients: number
  pool: number
  seconds: number
  /** Median of the last page over that of the first, by cursors; of the API and of the bare statements. */
  last_to_first_page: Record<'score' | 'loss', { api: number; bare: number }>
  host: Host
  postgres: string
}

/** @returns what is wrong, or null */
export function faultOf({ calls }: Pick<ApiReport, 'calls'>): string | null {
  const failed = calls.filter(({ errors }) => errors > 0)
  return failed.length === 0
    ? null
    : `not answered with 2xx: ${failed.map(({ name, errors }) => `${errors} of ${name}`).join('; ')}`
}

/** @param calls with the first and last pages among them */
export function lastToFirst(calls: CallFigures[]): ApiReport['last_to_first_page'] {
  const of = (name: string) => calls.find((call) => call.name === name)!
  const ratio = (list: string) => {
    const [first, last] = [of(`${list}, all, first page`), of(`${list}, all, last page`)]
    return { api: rounded(last.p50_ms / first.p50_ms), bare: rounded(last.bare!.p50_ms / first.bare!.p50_ms) }
  }
  return { score: ratio('queue'), loss: ratio('by loss') }
}

export function renderApi(report: ApiReport): string {
  const { calls, rows, anomalies, accounts, database_mb, clients, pool, seconds, host } = report
  const rate = (r: Rate | null) => (r === null ? ['', '', ''] : [number(r), ms(r.p50_ms), ms(r.p99_ms)])
  const header = ['call', 'calls/s', 'p50 ms', 'p99 ms', 'bare/s', 'p50 ms', 'p99 ms']
  const lines = [header, ...calls.map((call) => [call.name, ...rate(call), ...rate(call.bare)])]
  const widths = header.map((_, c) => Math.max(...lines.map((cells) => cells[c].length)))
  const { score, loss } = report.last_to_first_page
  return [
    ...lines.map((cells) =>
      cells
        .map((cell, c) => (c === 0 ? cell.padEnd(widths[c]) : cell.padStart(widths[c])))
        .join('  ')
        .trimEnd(),
    ),
    '',
    `Last page by cursor / first page (p50): ${score.api} by score, ${loss.api} by loss; bare: ${score.bare}, ${loss.bare}.`,
    `${whole(rows)} rows, ${whole(anomalies)} of them anomalies, ${whole(accounts)} accounts, ${whole(database_mb)} MB; ` +
      `${clients} clients, ${seconds} s each, a pool of ${pool}.`,
    `Bare: the same statements by pg in one process, through a pool of the same size. Clients, PostgreSQL and the API ` +
      `share the machine: ${hostInWords(host)}, PostgreSQL ${report.postgres}; load before: ${host.load_before}. ` +
      'See bench/README.md.',
  ].join('\n')
}

const rounded = (value: number): number => Number(value.toFixed(2))
const whole = (value: number): string => Math.round(value).toLocaleString('en-US')
const number = ({ requests_per_second: value }: Rate): string =>
  value < 100 ? value.toFixed(1) : whole(value)
const ms = (value: number): string => value.toFixed(1)

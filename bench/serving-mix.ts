import type { Call, Request, Sizes } from './api-calls.ts'
import { accountId, anomalyId } from './api-rows.ts'

/** What analysts and their tools ask for, in a fixed turn of twenty calls. */

const LIST = '/api/v1/anomalies'
const PAGE = 20

type Kind = 'one anomaly' | 'timeline' | 'queue' | 'change of a status' | 'live'

/** In words, for the report. */
export const MIX = `of 20 calls 8 one anomaly, 4 an account's timeline (${PAGE}), 4 the queue of NEW (${PAGE}), 3 changes of a status, 1 health/live`

const TURN: readonly Kind[] = [
  'one anomaly',
  'timeline',
  'one anomaly',
  'queue',
  'change of a status',
  'one anomaly',
  'timeline',
  'one anomaly',
  'queue',
  'live',
  'one anomaly',
  'change of a status',
  'timeline',
  'one anomaly',
  'queue',
  'one anomaly',
  'timeline',
  'change of a status',
  'one anomaly',
  'queue',
]

/** One call after another, each of another account and anomaly; no two clients change the same anomaly. */
export function mixOf({ anomalies, accounts, clients }: Sizes): Call {
  const own = Math.floor(anomalies / clients)
  const any = (n: number, client: number) => (n + 1) * 7919 + client * 104_729
  const change = (n: number, client: number): Request => ({
    method: 'PUT',
    path: `${LIST}/${anomalyId(1 + client * own + (n % own))}`,
    body: { new_status: Math.floor(n / own) % 2 === 0 ? 'INVESTIGATED' : 'FRAUD' },
  })
  const read: Record<Exclude<Kind, 'change of a status'>, (n: number, client: number) => string> = {
    'one anomaly': (n, client) => `${LIST}/${anomalyId(1 + (any(n, client) % anomalies))}`,
    timeline: (n, client) =>
      `/api/v1/accounts/${accountId(any(n, client) % accounts)}/transactions?limit=${PAGE}`,
    queue: () => `${LIST}?status=NEW&limit=${PAGE}`,
    live: () => '/health/live',
  }
  return {
    name: 'mix',
    request(n, client) {
      const kind = TURN[(n + client) % TURN.length]
      return kind === 'change of a status'
        ? change(n, client)
        : { method: 'GET', path: read[kind](n, client) }
    },
  }
}

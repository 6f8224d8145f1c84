import autocannon from 'autocannon'
import type pg from 'pg'
import type { Database, Query } from '../api/sql/database.ts'
import type { Call } from './api-calls.ts'
import type { ApiProcess } from './api-process.ts'
import { Latencies } from './latencies.ts'

export interface Load {
  clients: number
  seconds: number
  /** Of the same, before the measured ones. */
  warmUpSeconds: number
  signal: AbortSignal
}

export interface Rate {
  requests_per_second: number
  p50_ms: number
  p99_ms: number
}

/** Numbers a client's calls: over all of its runs, so that no change is made twice. */
type Next = (client: number) => number

export function counter(clients: number): Next {
  const made = Array<number>(clients).fill(0)
  return (client) => made[client]++
}

/** Each client sends one call after the other's answer. @throws when a call is answered with anything but 2xx */
export async function loadApi(
  { url, key }: Pick<ApiProcess, 'url' | 'key'>,
  call: Call,
  next: Next,
  { clients, seconds, warmUpSeconds, signal }: Load,
): Promise<Rate & { errors: number }> {
  const headers = { 'X-API-Key': key, 'Content-Type': 'application/json' }
  const run = async (duration: number, latencies: Latencies) => {
    let client = 0
    const { promise, resolve, reject } = Promise.withResolvers<autocannon.Result>()
    const instance = autocannon(
      {
        url: url.href,
        connections: clients,
        duration,
        setupClient(connection) {
          const own = client++
          const setupRequest = (request: autocannon.Request): autocannon.Request => {
            const { method, path, body } = call.request(next(own), own)
            return { ...request, method, path, headers, body: body && JSON.stringify(body) }
          }
          connection.setRequests([{ setupRequest }])
        },
      },
      (error, result) => (error ? reject(error) : resolve(result)),
    )
    instance.on('response', (_client, _status, _bytes, ms) => latencies.add(ms))
    const stop = () => instance.stop()
    signal.addEventListener('abort', stop)
    const result = await promise.finally(() => signal.removeEventListener('abort', stop))
    signal.throwIfAborted()
    return result
  }
  if (warmUpSeconds > 0) await run(warmUpSeconds, new Latencies())
  const latencies = new Latencies()
  const began = performance.now()
  const result = await run(seconds, latencies)
  const took = (performance.now() - began) / 1000
  return { ...rateOf(latencies, took), errors: result.errors + result.non2xx }
}

/** The same clients run the call's statements one after another, through a pool of the API's size. */
export async function loadBare(
  pool: pg.Pool,
  call: Required<Call>,
  next: Next,
  { clients, seconds, warmUpSeconds, signal }: Load,
): Promise<Rate> {
  const database = bareDatabase(pool)
  const run = async (duration: number, latencies: Latencies) => {
    const end = performance.now() + duration * 1000
    const work = async (client: number) => {
      while (performance.now() < end) {
        signal.throwIfAborted()
        const began = performance.now()
        await call.bare(database, next(client), client)
        latencies.add(performance.now() - began)
      }
    }
    await Promise.all(Array.from({ length: clients }, (_, client) => work(client)))
  }
  if (warmUpSeconds > 0) await run(warmUpSeconds, new Latencies())
  const latencies = new Latencies()
  const began = performance.now()
  await run(seconds, latencies)
  return rateOf(latencies, (performance.now() - began) / 1000)
}

/** `pg` and nothing else: no bounds, no probes. */
function bareDatabase(pool: pg.Pool): Pick<Database, 'query' | 'transaction'> {
  const query: Query = async (text, values, name) => (await pool.query({ text, values, name })).rows
  return {
    query,
    async transaction(work) {
      const client = await pool.connect()
      try {
        await client.query('BEGIN')
        const result = await work(
          async (text, values, name) => (await client.query({ text, values, name })).rows,
        )
        await client.query('COMMIT')
        client.release()
        return result
      } catch (error) {
        client.release(true)
        throw error
      }
    },
  }
}

export const rateOf = (latencies: Latencies, seconds: number): Rate => ({
  requests_per_second: Math.round((10 * latencies.count) / seconds) / 10,
  p50_ms: latencies.at(50),
  p99_ms: latencies.at(99),
})

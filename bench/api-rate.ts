import { Agent, request } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Call, Request } from './api-calls.ts'
import { type Rate, rateOf } from './api-load.ts'
import type { ApiProcess } from './api-process.ts'
import { Latencies } from './latencies.ts'

export interface SteadyLoad {
  /** Each waits for an answer before its next call. */
  clients: number
  seconds: number
  /** Of all clients together. */
  requestsPerSecond: number
  signal: AbortSignal
}

/**
 * Calls that are due at a steady rate, whatever became of those before; what is sent late counts as late.
 * @param next numbers a client's calls
 * @returns the rate at which they were answered, and how many were answered with anything but 2xx
 */
export async function loadAtRate(
  { url, key }: Pick<ApiProcess, 'url' | 'key'>,
  call: Call,
  next: (client: number) => number,
  { clients, seconds, requestsPerSecond, signal }: SteadyLoad,
): Promise<Rate & { errors: number }> {
  const agent = new Agent({ keepAlive: true, maxSockets: clients })
  const latencies = new Latencies()
  let errors = 0
  const began = performance.now()
  const end = began + seconds * 1000
  const gap = (clients * 1000) / requestsPerSecond
  const work = async (client: number) => {
    for (let due = began + (client * gap) / clients; due < end && performance.now() < end; due += gap) {
      await sleep(Math.max(0, due - performance.now()), undefined, { signal })
      const status = await send(url, key, call.request(next(client), client), { agent, signal })
      latencies.add(performance.now() - due)
      if (status < 200 || status > 299) errors++
    }
  }
  await Promise.all(Array.from({ length: clients }, (_, client) => work(client))).finally(() =>
    agent.destroy(),
  )
  const took = Math.max(seconds, (performance.now() - began) / 1000)
  return { ...rateOf(latencies, took), errors }
}

/** Not by fetch, which takes twice the processor from what is measured. @returns the status, once all of the answer is there */
function send(
  url: URL,
  key: string,
  { method, path, body }: Request,
  options: { agent: Agent; signal: AbortSignal },
): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>()
  const headers = { 'X-API-Key': key, 'Content-Type': 'application/json' }
  const call = request(new URL(path, url), { ...options, method, headers }, (answer) => {
    answer
      .on('end', () => resolve(answer.statusCode!))
      .on('error', reject)
      .resume()
  })
  call.on('error', reject).end(body && JSON.stringify(body))
  return promise
}

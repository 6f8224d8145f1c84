import { setTimeout as sleep } from 'node:timers/promises'
import { startServers } from '../deploy/local/servers.ts'
import { withClient } from '../schemas/database.ts'
import type { Settings } from '../schemas/settings.ts'
import { startApi, withoutKafka } from './api-process.ts'
import { freshDatabase } from './ground.ts'
import { Latencies } from './latencies.ts'
import { currentLoad, describeHost } from './machine.ts'
import { type ProcessWatch, watchProcess } from './process-watch.ts'
import { openIdleClient, ReadingClient, type Target } from './stream-clients.ts'
import type { StreamReport } from './stream-report.ts'
import { layOut, writeAnomalies } from './stream-writer.ts'

export interface StreamOptions {
  clients: number
  idle: number
  events: number
  rate: number
  eventBytes: number
  settings: Settings
  progress: (line: string) => void
  signal: AbortSignal
}

type Phase = 'before' | 'during'

/** How long nobody may get anything before it is given up. */
const PATIENCE_MS = 30_000
/** Clients that open their streams at once. */
const AT_ONCE = 25

/** The stream of one API process with many clients, some of which never read. */
export async function measureStream(options: StreamOptions): Promise<StreamReport> {
  if (process.platform !== 'linux') throw new Error("the benchmark looks at memory in Linux's /proc")
  const { settings, progress, clients, idle, events, rate, eventBytes } = options
  const host = describeHost(currentLoad())
  await using stack = new AsyncDisposableStack()
  const end = new AbortController()
  const signal = AbortSignal.any([options.signal, end.signal])
  const servers = stack.use(await startServers({ settings: withoutKafka(settings), progress, signal }))
  const database = stack.use(await freshDatabase(servers.DATABASE_URL))
  const { api, ...target } = await startApi(
    {
      ...settings,
      DATABASE_URL: database.url,
      STREAM_MAX_CLIENTS: Math.max(clients, settings.STREAM_MAX_CLIENTS),
    },
    signal,
  )
  stack.use(api)
  const watch = stack.use(watchProcess<Phase>(api.pid))
  stack.defer(() => end.abort())

  return await withClient(
    { connectionString: database.url, application_name: 'weir-bench' },
    async (client) => {
      await layOut(client)
      const latencies = new Latencies()
      const reading = await openAll(options, { ...target, signal }, (data) =>
        latencies.add(Date.now() - writtenAt(data)),
      )
      progress(`${clients} clients are there; ${events} events ...`)
      watch.begin('before')
      await sleep(1000)
      watch.begin('during')
      const began = performance.now()
      await Promise.race([writeAnomalies(client, { events, rate, eventBytes, signal }), api.died])
      await Promise.race([untilComplete(reading, events), api.died])
      const seconds = (performance.now() - began) / 1000
      return {
        clients,
        idle,
        events,
        rate,
        event_bytes: eventBytes,
        host,
        ...memoryOf(watch),
        seconds,
        events_per_second: Math.round(sum(reading.map((one) => one.received)) / seconds),
        delivery_p50_ms: latencies.at(50),
        delivery_p99_ms: latencies.at(99),
        dropped: await droppedBy(target),
        comebacks: sum(reading.map((one) => one.comebacks)),
        complete: reading.filter((one) => one.received === events && one.outOfOrder === 0).length,
        out_of_order: sum(reading.map((one) => one.outOfOrder)),
      }
    },
  )
}

/** @returns the clients that read */
async function openAll(
  { clients, idle }: StreamOptions,
  target: Target,
  onEvent: (data: string) => void,
): Promise<ReadingClient[]> {
  const reading = Array.from(
    { length: clients - idle },
    (_, i) => new ReadingClient(target, i === 0 ? onEvent : undefined),
  )
  const openings = [
    ...Array.from({ length: idle }, () => () => openIdleClient(target)),
    ...reading.map((client) => () => client.open()),
  ]
  for (let i = 0; i < openings.length; i += AT_ONCE)
    await Promise.all(openings.slice(i, i + AT_ONCE).map((open) => open()))
  return reading
}

/** Waits until all have everything, or nobody got anything for long. */
async function untilComplete(reading: readonly ReadingClient[], events: number): Promise<void> {
  let seen = -1
  let at = performance.now()
  while (reading.some((client) => client.received < events)) {
    const received = sum(reading.map((client) => client.received))
    if (received !== seen) [seen, at] = [received, performance.now()]
    else if (performance.now() - at > PATIENCE_MS) return
    await sleep(20)
  }
}

const memoryOf = (watch: ProcessWatch<Phase>) => ({
  rss_before_mb: rounded(watch.facts('before').last_mb),
  peak_rss_mb: rounded(watch.highWaterMb()),
  rss_end_mb: rounded(watch.facts('during').last_mb),
})

async function droppedBy({ url, key }: Pick<Target, 'url' | 'key'>): Promise<number> {
  const answer = await fetch(new URL('/metrics', url), { headers: { 'X-API-Key': key } })
  return Number(/^weir_stream_dropped_total (\d+)$/m.exec(await answer.text())?.[1])
}

const writtenAt = (data: string): number => Number(/"written_at": ?([\d.]+)/.exec(data)?.[1])
const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0)
const rounded = (mb: number): number => Math.round(mb * 10) / 10

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type pg from 'pg'
import { freePort } from '../../deploy/local/free-ports.ts'
import type { PipelineSettings } from '../../pipeline/main.ts'
import { createClient } from '../../schemas/database.ts'
import { Sender } from '../faults/sender.ts'
import type { FaultServers } from '../faults/servers.ts'
import { type Scope, testSettings, until } from '../harness.ts'
import { type ApiProcess, apiProcess } from '../support/api-process.ts'
import { type PipelineProcess, pipelineProcess } from '../support/pipeline-process.ts'
import { type Prometheus, startPrometheus } from './prometheus.ts'
import { type Kind, traffic } from './traffic.ts'

const MANY = '1000000000'
/** Transactions a second, usually. */
const USUAL_RATE = 200
/** Callers of the API, and how long each waits between two calls: shortly, so that all meet a lock that is held again and again. */
const CALLERS = 4
const PAUSE_MS = 100

/** One Weir with its traffic and its Prometheus, to be broken. */
export interface Installation {
  servers: FaultServers
  prometheus: Prometheus
  databaseUrl: string
  pipeline: { process: PipelineProcess; start(): void }
  api: { process: ApiProcess; start(): Promise<void> }
  /** What usually comes; stopped and started again by faults. */
  usual: { start(): void; stop(): Promise<void> }
  /** Other traffic beside it, until it is stopped. */
  send(kind: Kind, rate: number): { stop(): Promise<void> }
  /** A connection to the database of its own. */
  connect(): Promise<pg.Client>
}

/** Starts all of it; what was started is stopped by the scope's `after` functions. */
export async function install(scope: Scope, servers: FaultServers, program: string): Promise<Installation> {
  const ports = []
  for (let i = 0; i < 3; i++) ports.push(await freePort('127.0.0.1', 0))
  const [pipelinePort, apiPort, prometheusPort] = ports
  const settings = await testSettings(scope, {
    TOPIC_PARTITIONS: '3',
    COMMIT_MAX_RECORDS: '200',
    BATCH_MAX_RECORDS: '100',
    CHECKPOINT_SECONDS: '1',
    KAFKA_SESSION_TIMEOUT_MS: '6000',
    PIPELINE_METRICS_PORT: String(pipelinePort),
  })
  const pipeline = {
    process: pipelineProcess(scope, settings),
    start() {
      this.process = pipelineProcess(scope, settings)
    },
  }
  const serve = () =>
    apiProcess(scope, {
      DATABASE_URL: settings.DATABASE_URL,
      API_KEY: settings.API_KEY,
      PORT: String(apiPort),
      RATE_LIMIT_READ: MANY,
      RATE_LIMIT_WRITE: MANY,
      STATEMENT_TIMEOUT_MS: '2000',
      AUDIT_VERIFY_HOURS: '0.001',
    })
  const api = {
    process: await serve(),
    async start() {
      this.process = await serve()
    },
  }
  const directory = mkdtempSync(join(tmpdir(), 'weir-alerts-'))
  scope.after(() => rmSync(directory, { recursive: true, force: true }))
  const prometheus = await startPrometheus({
    program,
    directory,
    port: prometheusPort,
    pipeline: `127.0.0.1:${pipelinePort}`,
    api: `127.0.0.1:${apiPort}`,
    apiKey: settings.API_KEY,
  })
  scope.after(() => prometheus.stop())
  callAll(scope, `http://127.0.0.1:${apiPort}`, settings.API_KEY)
  const usual = usualTraffic(settings)
  scope.after(() => usual.stop())
  usual.start()
  const installation: Installation = {
    servers,
    prometheus,
    databaseUrl: settings.DATABASE_URL,
    pipeline,
    api,
    usual,
    send(kind, rate) {
      const sender = new Sender(settings, traffic(kind), rate)
      sender.start()
      return sender
    },
    async connect() {
      const client = createClient({
        connectionString: settings.DATABASE_URL,
        application_name: 'weir-test-fault',
      })
      client.on('error', () => {})
      await client.connect()
      return client
    },
  }
  await until(async () => ((await prometheus.value('weir:processed:rate5m')) ?? 0) > 0, {
    seconds: 60,
    what: 'transactions to be processed and scraped',
  })
  return installation
}

function usualTraffic(settings: PipelineSettings): Installation['usual'] {
  let sender: Sender | null = null
  return {
    start() {
      sender = new Sender(settings, traffic({ name: 'usual' }), USUAL_RATE)
      sender.start()
    },
    async stop() {
      await sender?.stop()
      sender = null
    },
  }
}

/** Somebody uses the API all the time: a list that only needs the table of rules, so that a lock of that slows only this. */
function callAll(scope: Scope, url: string, key: string): void {
  const end = new AbortController()
  scope.after(() => end.abort())
  const call = async () => {
    while (!end.signal.aborted) {
      await fetch(`${url}/api/v1/rules`, {
        headers: { 'X-API-Key': key },
        signal: AbortSignal.any([end.signal, AbortSignal.timeout(10_000)]),
      })
        .then((answer) => answer.arrayBuffer())
        .catch(() => {})
      await sleep(PAUSE_MS, undefined, { signal: end.signal, ref: false }).catch(() => {})
    }
  }
  for (let i = 0; i < CALLERS; i++) void call()
}

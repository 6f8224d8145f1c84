import { type ChildProcess, fork } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from '../schemas/log.ts'
import { SettingsError } from '../schemas/settings.ts'

export interface WorkersOptions {
  count: number
  /** The first worker's port of metrics and health, the next one's is one more; 0 = any free port for each. */
  metricsPort: number
  /** A worker that has not ended so long after it was asked to is killed. */
  graceMs: number
  log: Logger
  closing: AbortSignal
}

const FIRST_PAUSE_MS = 1000
const LONGEST_PAUSE_MS = 30_000
/** A worker that lived this long was well: the next restart is quick again. */
const WELL_AFTER_MS = 60_000

/** The exit code of a command whose settings cannot be used: to start it again would change nothing. */
const UNUSABLE_SETTINGS = 2

/**
 * Runs several members of the group, each a process of its own, and starts a dead one again.
 * Resolves when all have ended after `closing`.
 * @throws when one cannot use its settings; the others are ended first
 */
export async function superviseWorkers(options: WorkersOptions): Promise<void> {
  const { count, metricsPort, log } = options
  if (metricsPort + count - 1 > 65_535)
    throw new SettingsError([
      `PIPELINE_METRICS_PORT: ${count} workers need as many ports from ${metricsPort} on`,
    ])
  log.info({ workers: count }, 'workers start')
  const failing = new AbortController()
  const alive = new Set<ChildProcess>()
  // "Once more to stop at once" is for the workers, too.
  process.once('exit', () => {
    for (const worker of alive) worker.kill('SIGKILL')
  })
  const closing = AbortSignal.any([options.closing, failing.signal])
  const workers = Array.from({ length: count }, async (_, i) => {
    try {
      await keepAlive(i, { ...options, closing }, alive)
    } catch (error) {
      failing.abort()
      throw error
    }
  })
  const failed = (await Promise.allSettled(workers)).find((result) => result.status === 'rejected')
  if (failed !== undefined) throw failed.reason
}

async function keepAlive(number: number, options: WorkersOptions, alive: Set<ChildProcess>): Promise<void> {
  const { metricsPort, log, closing } = options
  let pause = FIRST_PAUSE_MS
  while (!closing.aborted) {
    const started = performance.now()
    const code = await runWorker(metricsPort === 0 ? 0 : metricsPort + number, options, alive)
    if (closing.aborted) return
    if (code === UNUSABLE_SETTINGS) throw new SettingsError([`worker ${number} cannot use them, see above`])
    if (performance.now() - started > WELL_AFTER_MS) pause = FIRST_PAUSE_MS
    log.error({ worker: number, code, restart_in_ms: pause }, 'a worker ended; it will be started again')
    await sleep(pause, undefined, { signal: closing }).catch(() => {})
    pause = Math.min(2 * pause, LONGEST_PAUSE_MS)
  }
}

/** @returns the worker's exit code, or the signal that ended it */
async function runWorker(
  port: number,
  { closing, graceMs }: WorkersOptions,
  alive: Set<ChildProcess>,
): Promise<number | string> {
  const worker = fork(process.argv[1], ['pipeline'], {
    env: {
      ...process.env,
      WORKERS: '1',
      WORKERS_FILE: undefined,
      PIPELINE_METRICS_PORT: String(port),
      PIPELINE_METRICS_PORT_FILE: undefined,
    },
  })
  alive.add(worker)
  const stop = () => {
    worker.kill('SIGTERM')
    setTimeout(() => worker.kill('SIGKILL'), graceMs).unref()
  }
  closing.addEventListener('abort', stop)
  try {
    return await ended(worker)
  } finally {
    closing.removeEventListener('abort', stop)
    alive.delete(worker)
  }
}

const ended = (worker: ChildProcess): Promise<number | string> =>
  new Promise((resolve, reject) => {
    worker.once('error', reject)
    worker.once('exit', (code, signal) => resolve(code ?? signal ?? 'unknown'))
  })

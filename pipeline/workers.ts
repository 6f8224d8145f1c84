import { type ChildProcess, fork } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from '../schemas/log.ts'

export interface WorkersOptions {
  count: number
  /** The first worker's port of metrics and health, the next one's is one more; 0 = any free port for each. */
  metricsPort: number
  log: Logger
  closing: AbortSignal
}

const FIRST_PAUSE_MS = 1000
const LONGEST_PAUSE_MS = 30_000
/** A worker that lived this long was well: the next restart is quick again. */
const WELL_AFTER_MS = 60_000

/**
 * Runs several members of the group, each a process of its own, and starts a dead one again.
 * Resolves when all have ended after `closing`.
 */
export async function superviseWorkers(options: WorkersOptions): Promise<void> {
  options.log.info({ workers: options.count }, 'workers start')
  await Promise.all(Array.from({ length: options.count }, (_, i) => keepAlive(i, options)))
}

async function keepAlive(number: number, { metricsPort, log, closing }: WorkersOptions): Promise<void> {
  let pause = FIRST_PAUSE_MS
  while (!closing.aborted) {
    const started = performance.now()
    const code = await runWorker(metricsPort === 0 ? 0 : metricsPort + number, closing)
    if (closing.aborted) return
    if (performance.now() - started > WELL_AFTER_MS) pause = FIRST_PAUSE_MS
    log.error({ worker: number, code, restart_in_ms: pause }, 'a worker ended; it will be started again')
    await sleep(pause, undefined, { signal: closing }).catch(() => {})
    pause = Math.min(2 * pause, LONGEST_PAUSE_MS)
  }
}

/** @returns the worker's exit code, or the signal that ended it */
function runWorker(port: number, closing: AbortSignal): Promise<number | string> {
  const worker = fork(process.argv[1], ['pipeline'], {
    env: {
      ...process.env,
      WORKERS: '1',
      WORKERS_FILE: undefined,
      PIPELINE_METRICS_PORT: String(port),
      PIPELINE_METRICS_PORT_FILE: undefined,
    },
  })
  const stop = () => worker.kill('SIGTERM')
  closing.addEventListener('abort', stop)
  return ended(worker).finally(() => closing.removeEventListener('abort', stop))
}

const ended = (worker: ChildProcess): Promise<number | string> =>
  new Promise((resolve, reject) => {
    worker.once('error', reject)
    worker.once('exit', (code, signal) => resolve(code ?? signal ?? 'unknown'))
  })

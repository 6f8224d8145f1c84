import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import type { PipelineProcess } from '../support/pipeline-process.ts'

/** What Linux and the process itself tell about it. */

export const residentMb = ({ pid }: PipelineProcess): number =>
  Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) / 1024

export const handles = ({ pid }: PipelineProcess): number => readdirSync(`/proc/${pid}/fd`).length

export const logLines = ({ errors }: PipelineProcess): number => errors.split('\n').length - 1

/** Base URL of its metrics and health, as it logged it. */
const healthUrl = ({ errors }: PipelineProcess): string => /"url":"(http:[^"]+)"/.exec(errors)![1]

/** The status of /health/live or /health/ready; 0 without an answer. */
export async function health(process: PipelineProcess, which: 'live' | 'ready'): Promise<number> {
  const signal = AbortSignal.timeout(2000)
  return fetch(`${healthUrl(process)}/health/${which}`, { signal }).then(
    (response) => response.status,
    () => 0,
  )
}

/** Looks every half second for so long; returns what it saw. */
export async function sampled<T>(seconds: number, look: () => T | Promise<T>): Promise<T[]> {
  const seen: T[] = []
  for (const end = performance.now() + seconds * 1000; performance.now() < end; ) {
    seen.push(await look())
    await sleep(500)
  }
  return seen
}

/** Process ids of its children. */
export const childrenOf = (pid: number): number[] =>
  readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number)

export function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

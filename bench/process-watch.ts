import { readdirSync, readFileSync } from 'node:fs'
import { treeOf } from './cpu-time.ts'

/** What was seen of a process in one phase. Memory is resident memory in MiB. */
export interface PhaseFacts {
  first_mb: number
  peak_mb: number
  last_mb: number
  /** Open file handles, at most. */
  handles: number
}

export interface ProcessWatch<Phase extends string> extends Disposable {
  /** What is seen from now on belongs to this phase. */
  begin(phase: Phase): void
  /** @throws when nothing was seen in it */
  facts(phase: Phase): PhaseFacts
  /** The most that was ever resident, as the kernel counts it: no peak between two looks is missed. */
  highWaterMb(): number
}

const LOOK_MS = 100

/** Looks at a process ten times a second, from the first phase on; Linux only. */
export function watchProcess<Phase extends string>(pid: number): ProcessWatch<Phase> {
  const phases = new Map<Phase, PhaseFacts>()
  let current: Phase | null = null
  const look = () => {
    if (current === null) return
    const mb = memoryMb(readStatus(pid), 'VmRSS')
    phases.set(current, include(phases.get(current), mb, readdirSync(`/proc/${pid}/fd`).length))
  }
  const timer = setInterval(() => {
    try {
      look()
    } catch {
      clearInterval(timer) // it has ended, as whoever waits for it learns
    }
  }, LOOK_MS)
  return {
    begin(phase) {
      current = phase
      look()
    },
    facts(phase) {
      const facts = phases.get(phase)
      if (facts === undefined) throw new Error(`process ${pid} was not watched in the phase "${phase}"`)
      return facts
    },
    highWaterMb: () => memoryMb(readStatus(pid), 'VmHWM'),
    [Symbol.dispose]: () => clearInterval(timer),
  }
}

export interface Memory {
  /** Resident now, MiB. */
  rss_mb: number
  /** The most that was ever resident, by the kernel's count; with several processes the sum of each one's most. */
  peak_rss_mb: number
}

/** Of a process and all that descend from it; null where the system does not tell. */
export function memoryOf(pid: number): Memory | null {
  if (process.platform !== 'linux') return null
  const statuses = treeOf(pid).map(readStatus)
  const sum = (name: 'VmRSS' | 'VmHWM') =>
    Math.round(statuses.reduce((total, status) => total + memoryMb(status, name), 0))
  return { rss_mb: sum('VmRSS'), peak_rss_mb: sum('VmHWM') }
}

const readStatus = (pid: number): string => readFileSync(`/proc/${pid}/status`, 'utf8')

/**
 * @param status text of /proc/PID/status
 * @returns MiB
 * @throws when the line is not there
 */
export function memoryMb(status: string, name: 'VmRSS' | 'VmHWM'): number {
  const found = new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(status)
  if (found === null) throw new Error(`no ${name} in /proc/PID/status`)
  return Number(found[1]) / 1024
}

/** The facts with one more look; of a first one when there are none yet. */
export function include(facts: PhaseFacts | undefined, mb: number, handles: number): PhaseFacts {
  return {
    first_mb: facts?.first_mb ?? mb,
    peak_mb: Math.max(facts?.peak_mb ?? 0, mb),
    last_mb: mb,
    handles: Math.max(facts?.handles ?? 0, handles),
  }
}

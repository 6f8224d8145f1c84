import { readFileSync } from 'node:fs'

/** A process and all that descend from it, those that have ended left out; Linux only. */
export function treeOf(pid: number): number[] {
  const children = unlessGone(() => readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')) ?? ''
  return [
    pid,
    ...children
      .split(' ')
      .filter(Boolean)
      .flatMap((child) => treeOf(Number(child))),
  ]
}

/**
 * Processor time that a process and its descendants have had, in microseconds, to the hundredth of a second; null where
 * the system does not tell. Those that have ended are in: Linux adds their time to their parent's once it has waited for
 * them, as PostgreSQL does for its backends.
 * @throws when the process itself is gone
 */
export function cpuTime(pid: number): number | null {
  if (process.platform !== 'linux') return null
  const own = cpuTimeIn(readStat(pid))
  const others = treeOf(pid).slice(1)
  return others.reduce((sum, child) => {
    const stat = unlessGone(() => readStat(child))
    return sum + (stat === null ? 0 : cpuTimeIn(stat))
  }, own)
}

const readStat = (pid: number): string => readFileSync(`/proc/${pid}/stat`, 'utf8')

/**
 * @param stat text of /proc/PID/stat, which counts in hundredths of a second
 * @returns microseconds of the process, and of its children that it has waited for
 */
export function cpuTimeIn(stat: string): number {
  // The name may hold blanks and parentheses; what follows its last one is numbers.
  const afterName = stat.slice(stat.lastIndexOf(') ') + 2).split(' ')
  return afterName.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks), 0) * 10_000
}

/** A process may end between two looks at it. */
function unlessGone<T>(look: () => T): T | null {
  try {
    return look()
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ESRCH') return null
    throw error
  }
}

import { setTimeout as sleep } from 'node:timers/promises'
import type { Fault } from './faults.ts'
import type { Installation } from './installation.ts'

export interface Measured {
  fault: string
  title: string
  alert: string
  /** From the fault until the alert fires; null if it never did. */
  seconds_to_fire: number | null
  /** From the cure until it does not; null if it never did. */
  seconds_to_stop: number | null
  /** Other alerts that fired meanwhile. */
  others: string[]
}

const LONGEST_MS = 90_000
const QUIET_MS = 150_000
const LOOK_MS = 100
/** Two weeks of forty seconds, and the hour before: shorten.ts. */
const ENOUGH_PAST = 'count(weir:arrivals:weeks) >= 2 and count(weir:severe_share:weeks) >= 2'

/**
 * Breaks an installation that is well, waits for the alert, mends it and waits for the end of the alert.
 * @throws when the installation is not well beforehand
 */
export async function measure(
  { id, title, alert, needsPast, make }: Fault,
  installation: Installation,
  say: (line: string) => void,
): Promise<Measured> {
  const { prometheus } = installation
  const isQuiet = async () => (await prometheus.firing()).length === 0
  if ((await secondsUntil(isQuiet, QUIET_MS)) === null)
    throw new Error(`${id}: before the fault ${(await prometheus.firing()).join(', ')} fires`)
  if (needsPast) {
    say(`${id}: waiting for a past`)
    const isThere = async () => (await prometheus.value(ENOUGH_PAST)) !== undefined
    if ((await secondsUntil(isThere, QUIET_MS)) === null)
      throw new Error(`${id}: there is no past to tell by`)
  }
  say(`${id}: ${title} ...`)
  const others = new Set<string>()
  const watch = (isThere: boolean) => async () => {
    const firing = await prometheus.firing()
    for (const name of firing) if (name !== alert) others.add(name)
    return firing.includes(alert) === isThere
  }
  const cure = await make(installation)
  const seconds_to_fire = await secondsUntil(watch(true), LONGEST_MS)
  await cure()
  const seconds_to_stop = seconds_to_fire === null ? null : await secondsUntil(watch(false), LONGEST_MS)
  return { fault: id, title, alert, seconds_to_fire, seconds_to_stop, others: [...others].sort() }
}

/** @returns how long it took, in tenths of a second; null if it took too long */
async function secondsUntil(condition: () => Promise<boolean>, longestMs: number): Promise<number | null> {
  const began = performance.now()
  while (performance.now() - began < longestMs) {
    if (await condition()) return Math.round((performance.now() - began) / 100) / 10
    await sleep(LOOK_MS)
  }
  return null
}

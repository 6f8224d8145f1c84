import { type Account, activeGap, createAccount, whenActive } from './habits.ts'
import { createRandom, type Random } from './random.ts'
import type { World } from './world.ts'

/** When an account buys. */
export interface Visit {
  at: number
  account: Account
}

/** Who is out buying. */
export interface Crowd {
  /** The first visits, in no order. */
  begin(): Visit[]
  /** The visit that takes the place of one that is over, and how many visits it stood for as a start of fraud. */
  after(visit: Visit): { next: Visit; weight: number }
}

export interface CrowdOptions {
  seed: number
  /** Milliseconds since 1970. */
  start: number
  world: World
  random: Random
}

/** An account by its number. Its habits hang on the seed and its number only, so that an account can be forgotten and made again. */
export function makeAccount(seed: number, number: number, world: World): Account {
  const id = `acc-${seed.toString(36)}-${String(number).padStart(6, '0')}`
  return createAccount(id, world, createRandom(seed, number))
}

/** A fixed number of accounts that live their days: the crowd of weeks of history. */
export function residents(accounts: number, { seed, start, world, random }: CrowdOptions): Crowd {
  const active = new Map<Account, number>()
  const visit = (account: Account): Visit => {
    const passed = (active.get(account) ?? 0) + activeGap(account, random)
    active.set(account, passed)
    return { account, at: whenActive(account, start, passed) }
  }
  return {
    begin: () => Array.from({ length: accounts }, (_, i) => visit(makeAccount(seed, i + 1, world))),
    after: ({ account }) => ({ next: visit(account), weight: 1 }),
  }
}

/** Visits of one account in a row: enough that its habits are known, too few to look like a burst of an hour. */
const ROW: [number, number] = [6, 9]
const MEAN_ROW = 7.5
/** Seconds between two visits of an account. */
const GAP_SECONDS = 4
const MAX_OUT = 50_000

/**
 * Accounts that come by: live traffic at `rate` a second, in which an account soon has a history and yet no more
 * than a few transactions an hour, as there would be millions of accounts behind such a rate. Each makes one row of
 * purchases within a minute; then another takes its place, and it is not seen again for over an hour.
 */
export function passersBy(rate: number, { seed, start, world, random }: CrowdOptions): Crowd {
  const out = Math.round(Math.min(MAX_OUT, Math.max(10, rate * GAP_SECONDS)))
  const gap = (out / rate) * 1000
  const population = out + Math.ceil((1.5 * 3600 * rate) / MEAN_ROW)
  const left = new Map<Account, number>()
  let met = 0
  const meet = (visits: number): Account => {
    const account = makeAccount(seed, (met++ % population) + 1, world)
    left.set(account, visits)
    return account
  }
  return {
    // In the middle of their rows, so that from the first second on it is as it is later.
    begin: () =>
      Array.from({ length: out }, () => ({
        account: meet(random.integer(1, ROW[1])),
        at: start + random.exponential(gap),
      })),
    after({ account, at }) {
      const visits = left.get(account)! - 1
      const next = at + random.exponential(gap)
      if (visits > 0) {
        left.set(account, visits)
        return { next: { account, at: next }, weight: 0 }
      }
      left.delete(account)
      return { next: { account: meet(random.integer(...ROW)), at: next }, weight: MEAN_ROW }
    },
  }
}

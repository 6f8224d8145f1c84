import { HOUR, MINUTE, SECOND } from '../../schemas/time.ts'
import { type Account, buyCostly, meanAmount, type Purchase, purchase } from './habits.ts'
import type { Random } from './random.ts'
import { FAR_CITIES, GAMBLING, type World } from './world.ts'

/** How the simulated accounts are defrauded. */

/** A fraudulent purchase, so many milliseconds after the victim's own. */
export interface Delayed {
  after: number
  purchase: Purchase
}

export interface Scenario {
  /** Its part of all fraudulent transactions, 0..1. */
  share: number
  /** Fraudulent transactions in one case, on average. */
  size: number
  plan(victim: Account, world: World, random: Random): Delayed[]
}

/** Customers of a compromised merchant who are defrauded before it is found out. */
export const CUSTOMERS_DEFRAUDED = 8

export const scenarios = {
  /** A stolen number is tried with many tiny amounts within minutes; when it works, it is used. */
  card_testing: {
    share: 0.32,
    size: 33,
    plan(victim, world, random) {
      const merchant = random.pick(world.online)
      const place = random.chance(0.5) ? victim.home : random.pick(FAR_CITIES)
      const planned: Delayed[] = []
      let after = random.between(1, 60) * MINUTE
      for (let left = random.integer(20, 45); left > 0; left--) {
        after += random.between(5, 40) * SECOND
        const amount = random.chance(0.2) ? 0 : random.between(0.01, 2)
        planned.push({ after, purchase: { ...purchase(merchant, amount, place), channel: 'ECOMMERCE' } })
      }
      if (random.chance(0.7)) {
        after += random.between(1, 20) * MINUTE
        planned.push({ after, purchase: buyCostly(victim, place, random.between(5, 20), world, random) })
      }
      return planned
    },
  },

  /** Somebody else holds the account: a few costly purchases far from home, in kinds that it seldom buys. */
  takeover: {
    share: 0.25,
    size: 3,
    plan(victim, world, random) {
      const place = random.pick(FAR_CITIES)
      let after = random.between(10, 120) * MINUTE
      return Array.from({ length: random.integer(2, 4) }, () => {
        after += random.between(2, 40) * MINUTE
        return { after, purchase: buyCostly(victim, place, random.between(5, 20), world, random) }
      })
    },
  },

  /**
   * A merchant loses its customers' cards, which are then used one after the other, with moderation: most of it
   * looks like an ordinary purchase. The plan is for one of its customers.
   */
  compromised_merchant: {
    share: 0.13,
    size: CUSTOMERS_DEFRAUDED * 1.5,
    plan(victim, world, random) {
      let after = random.between(1, 48) * HOUR
      return Array.from({ length: random.integer(1, 2) }, () => {
        after += random.between(1, 60) * MINUTE
        const amount = random.between(1.5, 7) * meanAmount(victim)
        return { after, purchase: purchase(random.pick(world.online), amount, victim.home) }
      })
    },
  },

  /** The card is present far away, minutes after its owner paid at home; often where money is gambled away. */
  impossible_travel: {
    share: 0.13,
    size: 2,
    plan(victim, world, random) {
      const place = random.pick(FAR_CITIES)
      const shops = world.inCity.get(place)!
      const gambling = shops.filter((m) => m.category === GAMBLING)
      let after = 0
      return Array.from({ length: random.integer(1, 3) }, () => {
        after += random.between(5, 50) * MINUTE
        const merchant = random.pick(random.chance(0.65) ? gambling : shops)
        return { after, purchase: purchase(merchant, random.between(1, 8) * meanAmount(victim), place) }
      })
    },
  },

  /** One single very high amount. */
  high_value: {
    share: 0.17,
    size: 1,
    plan(victim, world, random) {
      const amount = 5000 * Math.exp(random.between(0, 1.4))
      const place = random.chance(0.5) ? victim.home : random.pick(FAR_CITIES)
      const after = random.between(1, 60) * MINUTE
      return [{ after, purchase: purchase(random.pick(world.online), amount, place) }]
    },
  },
} satisfies Record<string, Scenario>

export type ScenarioName = keyof typeof scenarios

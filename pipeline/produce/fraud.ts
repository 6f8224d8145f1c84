import type { Account, Purchase } from './habits.ts'
import type { Random } from './random.ts'
import {
  CUSTOMERS_DEFRAUDED,
  type Delayed,
  type Scenario,
  type ScenarioName,
  scenarios,
} from './scenarios.ts'
import type { Merchant, World } from './world.ts'

const table = Object.entries(scenarios) as [ScenarioName, Scenario][]

/** Decides who is defrauded, and how. */
export class Fraud {
  readonly #world: World
  readonly #random: Random
  /** For each scenario, how probable it is to begin after one purchase. */
  readonly #chances: [ScenarioName, number][]
  /** Compromised merchants, with the customers that are still to be defrauded. */
  readonly #compromised = new Map<Merchant, number>()

  /** @param share of all transactions that are to be fraudulent, 0..1, on average */
  constructor(share: number, world: World, random: Random) {
    this.#world = world
    this.#random = random
    this.#chances = table.map(([name, s]) => [name, ((share / (1 - share)) * s.share) / s.size])
  }

  /**
   * The fraud that follows an account's purchase; usually none.
   * @param weight for how many purchases this one stands: 0 if no case may begin with it
   */
  follow(account: Account, bought: Purchase, weight: number): Delayed[] {
    const stolen = this.#steal(account, bought.merchant)
    if (stolen.length > 0) return stolen
    const name = this.#draw(weight)
    if (name === undefined) return []
    if (name === 'compromised_merchant') {
      this.#compromised.set(bought.merchant, CUSTOMERS_DEFRAUDED)
      return []
    }
    if (name === 'impossible_travel' && bought.location !== account.home) return []
    return scenarios[name].plan(account, this.#world, this.#random)
  }

  #draw(weight: number): ScenarioName | undefined {
    let left = this.#random.unit()
    for (const [name, chance] of this.#chances) {
      left -= chance * weight
      if (left < 0) return name
    }
    return undefined
  }

  #steal(account: Account, merchant: Merchant): Delayed[] {
    const left = this.#compromised.get(merchant)
    if (left === undefined || this.#random.chance(0.5)) return []
    if (left === 1) this.#compromised.delete(merchant)
    else this.#compromised.set(merchant, left - 1)
    return scenarios.compromised_merchant.plan(account, this.#world, this.#random)
  }
}

import { makeAccount } from '../pipeline/produce/crowd.ts'
import { buy } from '../pipeline/produce/habits.ts'
import { createRandom } from '../pipeline/produce/random.ts'
import { createWorld } from '../pipeline/produce/world.ts'
import { HOUR } from '../schemas/time.ts'
import type { Transaction } from '../schemas/transaction.ts'

/** Two or so purchases a day, as the simulator's accounts make. */
const ROUND_MS = 10 * HOUR
const END = Date.UTC(2026, 0, 1)
const SEED = 1

/**
 * Purchases by habit of one account after another, round and round, endless: after `accounts` of them each account has
 * a state. The simulator's own order would leave some out for long, and it keeps every account in memory.
 * @param records of which the last one falls on the end of 2025; what follows is later
 */
export function* accountsInTurn(accounts: number, records: number): Generator<Transaction, never> {
  const random = createRandom(SEED)
  const world = createWorld(random)
  const gap = ROUND_MS / accounts
  const start = END - Math.ceil(records * gap)
  for (let n = 0; ; n++) {
    const timestamp = start + Math.floor(n * gap)
    const account = makeAccount(SEED, (n % accounts) + 1, world)
    const { merchant, amount, location, channel } = buy(account, timestamp, world, random)
    yield {
      transaction_id: `turn-${String(n).padStart(9, '0')}`,
      account_id: account.id,
      timestamp,
      amount,
      currency: 'EUR',
      merchant_id: merchant.id,
      merchant_category: merchant.category.name,
      location,
      channel,
      is_fraud: null,
    }
  }
}

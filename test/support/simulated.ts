import { simulate } from '../../pipeline/produce/simulator.ts'
import type { Transaction } from '../../schemas/transaction.ts'

/** The first `count` transactions of simulated accounts, a few of them fraudulent; ids differ between seeds. */
export function simulated(count: number, seed: number, accounts = 40): Transaction[] {
  const transactions = simulate({ seed, accounts, fraudShare: 0.05 })
  return Array.from({ length: count }, () => transactions.next().value)
}

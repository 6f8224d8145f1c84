import type { Transaction } from '../../schemas/transaction.ts'
import { F, FEATURES, type Feature } from '../features/features.ts'

/** What a rule sees of a transaction, by name. */
export type RuleContext = Record<string, number | string>

/** The transaction's own fields that rules see. */
export const TEXTS = ['merchant_category', 'location', 'channel', 'currency'] as const

/** Names for messages only. */
export const SHOWN_TOO = ['home', 'base_currency'] as const

const NOTHING = {} as Transaction

/**
 * One row after another under the names of its features and texts, which are read where they are: rules ask for few of
 * them, and to copy all for each transaction would take longer than to evaluate the rules.
 */
class Row {
  home = ''
  base_currency = ''
  #transaction = NOTHING
  #features: Float64Array = new Float64Array(0)
  #at = 0

  show(transaction: Transaction, features: Float64Array, at: number): void {
    this.#transaction = transaction
    this.#features = features
    this.#at = at
  }

  feature(column: number): number {
    return this.#features[this.#at + column]
  }

  text(name: (typeof TEXTS)[number]): string {
    return this.#transaction[name]
  }
}

for (const name of FEATURES) {
  const column = F[name]
  Object.defineProperty(Row.prototype, name, {
    get(this: Row) {
      return this.feature(column)
    },
  })
}
for (const name of TEXTS) {
  Object.defineProperty(Row.prototype, name, {
    get(this: Row) {
      return this.text(name)
    },
  })
}

export type RowContext = Row &
  Readonly<Record<Feature, number> & Record<(typeof TEXTS)[number], string>> &
  RuleContext

/** To be used again for each row. */
export const createRowContext = (): RowContext => new Row() as unknown as RowContext

/** A context of this row alone. @param at where its features begin */
export function rowContext(transaction: Transaction, features: Float64Array, at: number): RowContext {
  const context = createRowContext()
  context.show(transaction, features, at)
  return context
}

import type pg from 'pg'
import type { References } from '../features/merchant-features.ts'
import type { ReferenceDay } from '../features/reference-day.ts'
import { ReferenceHistory } from '../features/reference-history.ts'
import { readReference } from '../store/reference-days.ts'

/** References that are made of the history while it is gone through. */
export type HistoryReferences = References & Pick<ReferenceHistory, 'add'>

/** Days kept in memory: the partitions are at the same day, some transactions are late. */
const KEPT_DAYS = 4

/** The references that stored decisions were made by; for a day that has none, made of the history. */
export function storedReferences(client: pg.ClientBase, delayDays: number): HistoryReferences {
  const history = new ReferenceHistory(delayDays)
  const loaded = new Map<number, ReferenceDay | null>()
  async function load(day: number): Promise<ReferenceDay | null> {
    // Made in any case: so what was added does not pile up.
    const made = history.get(day)
    const reference = (await readReference(client, day, delayDays)) ?? made
    loaded.set(day, reference)
    if (loaded.size > KEPT_DAYS) loaded.delete(loaded.keys().next().value!)
    return reference
  }
  return {
    add: (tx, amountRatio) => history.add(tx, amountRatio),
    get: (day) => loaded.get(day),
    async load(days) {
      const references: (ReferenceDay | null)[] = []
      for (const day of days) references.push(await load(day))
      return references
    },
  }
}

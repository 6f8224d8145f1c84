import { DAY } from '../../schemas/time.ts'
import { isBigRatio } from './features.ts'

/**
 * What is known of a transaction once the label delay is over. Without a fraud label by then it is genuine. A fraud is
 * plain when its amount does not explain it: it was not big for its account, or there was no rate to tell.
 * At the same moment they count in the order of these numbers.
 */
export const GENUINE = 0
export const PLAIN_FRAUD = 1
export const BIG_FRAUD = 2
export type LabelKind = typeof GENUINE | typeof PLAIN_FRAUD | typeof BIG_FRAUD

/** @param amountRatio the feature, or the 32 bits that are stored of it */
export function labelKind(isFraud: boolean | null, amountRatio: number): LabelKind {
  if (isFraud !== true) return GENUINE
  return isBigRatio(amountRatio) ? BIG_FRAUD : PLAIN_FRAUD
}

/**
 * An event in 32 bits: milliseconds since its day began, times four, plus its kind. Their order as numbers is that in
 * which events count, whatever the order in which they were collected: what is the same number is the same event.
 */
export type PackedEvent = number
export const offsetOf = (event: PackedEvent): number => event >>> 2
export const kindOf = (event: PackedEvent): LabelKind => (event & 3) as LabelKind
/** The least number that is after all events up to `offset` milliseconds of the day. */
export const afterOffset = (offset: number): PackedEvent => (offset + 1) * 4

/** The label events of one event day, by merchant. */
export class DayEvents {
  /** Days since 1970. */
  readonly day: number
  readonly #byMerchant = new Map<string, PackedEvent[]>()

  constructor(day: number) {
    this.day = day
  }

  /**
   * @param time event time, within the day
   * @throws RangeError when it is not
   */
  add(merchant: string, time: number, kind: LabelKind): void {
    const offset = time - this.day * DAY
    if (!(offset >= 0 && offset < DAY)) throw new RangeError(`${time} is not within day ${this.day}`)
    const events = this.#byMerchant.get(merchant)
    if (events === undefined) this.#byMerchant.set(merchant, [offset * 4 + kind])
    else events.push(offset * 4 + kind)
  }

  get isEmpty(): boolean {
    return this.#byMerchant.size === 0
  }

  get merchants(): Iterable<string> {
    return this.#byMerchant.keys()
  }

  has(merchant: string): boolean {
    return this.#byMerchant.has(merchant)
  }

  /** A merchant's events in the order in which they count. */
  of(merchant: string): Uint32Array {
    return Uint32Array.from(this.#byMerchant.get(merchant) ?? []).sort()
  }

  /** How many events the merchant has. */
  count(merchant: string): number {
    return this.#byMerchant.get(merchant)?.length ?? 0
  }
}

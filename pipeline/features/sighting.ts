import { DAY } from '../../schemas/time.ts'
import { AMOUNT_UNITS, CHANNELS, type Channel, type Transaction } from '../../schemas/transaction.ts'
import { hashOf } from './acquaintances.ts'
import type { Rates } from './rates.ts'

/** A transaction in the numbers that the state is made of. One object is filled again and again. */
export interface Sighting {
  time: number
  /** Days since 1970. */
  day: number
  /** The amount in units of the base currency; 0 if there is no rate. */
  units: number
  /** In whole base currency; NaN if there is no rate. */
  amount: number
  /** Place in CHANNELS. */
  channel: number
  /** Hash of the name; -1 without one. */
  merchant: number
  category: number
  /** Number of the place; -1 without one. */
  place: number
  /** Which of the account's merchants, categories and places they are; -1 while unknown to it. */
  merchantAt: number
  categoryAt: number
  placeAt: number
  /** Whether something of that day counts for the account already. */
  isKnownDay: boolean
}

export const createSighting = (): Sighting => ({
  time: 0,
  day: 0,
  units: 0,
  amount: 0,
  channel: 0,
  merchant: -1,
  category: -1,
  place: -1,
  merchantAt: -1,
  categoryAt: -1,
  placeAt: -1,
  isKnownDay: false,
})

export function fillSighting(into: Sighting, tx: Transaction, place: number, rates: Rates): void {
  into.time = tx.timestamp
  into.day = Math.floor(tx.timestamp / DAY)
  if (tx.currency === rates.base) into.units = tx.amount
  else into.units = Math.round(tx.amount * rates.rateOf(tx.currency))
  into.amount = into.units / AMOUNT_UNITS
  if (Number.isNaN(into.units)) into.units = 0
  into.channel = channelNumber(tx.channel)
  into.merchant = tx.merchant_id === null || tx.merchant_id === '' ? -1 : hashOf(tx.merchant_id)
  into.category = tx.merchant_category === '' ? -1 : hashOf(tx.merchant_category)
  into.place = place
}

/** Place in CHANNELS; not by indexOf, which costs more than all the rest here. */
function channelNumber(channel: Channel): number {
  for (let i = 0; i < CHANNELS.length; i++) if (CHANNELS[i] === channel) return i
  return CHANNELS.length - 1
}

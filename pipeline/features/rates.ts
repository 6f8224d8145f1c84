import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { parse } from 'yaml'
import { z } from 'zod'

/** What a unit of each currency is worth in the base currency: amounts of one account must be comparable. */
export interface Rates {
  /** Changes with whatever changes an amount: the state depends on it. */
  version: string
  base: string
  /** NaN for a currency that is not in the table. */
  rateOf(currency: string): number
}

const currency = z.string().regex(/^[A-Z]{3}$/, 'expected three capitals')
const file = z.strictObject({
  /** When the rates were those of the market. */
  date: z.string(),
  /** The currency in which the rates are given. */
  base: currency,
  rates: z.record(currency, z.number().positive().max(1e6)),
})

const shipped = new URL('./rates.yaml', import.meta.url)

/**
 * Reads a table of rates, converted to the base currency.
 * @throws with the file and what is wrong with it
 */
export function loadRates(base: string, path: string | URL = shipped): Rates {
  const table = readTable(path)
  const worth = table.base === base ? 1 : table.rates[base]
  if (worth === undefined) throw new Error(`${path}: there is no rate for the base currency ${base}`)
  const rates = new Map([
    [table.base, 1 / worth],
    ...Object.entries(table.rates).map(([name, rate]): [string, number] => [name, rate / worth]),
    [base, 1],
  ])
  const digest = createHash('sha256')
    .update(JSON.stringify([base, [...rates].sort()]))
    .digest('hex')
  return {
    version: `${base}-${digest.slice(0, 12)}`,
    base,
    rateOf: (name) => rates.get(name) ?? rates.get(name.toUpperCase()) ?? Number.NaN,
  }
}

function readTable(path: string | URL): z.infer<typeof file> {
  try {
    return file.parse(parse(readFileSync(path, 'utf8')))
  } catch (cause) {
    const why = cause instanceof z.ZodError ? z.prettifyError(cause) : (cause as Error).message
    throw new Error(`${path}: ${why}`, { cause })
  }
}

/** Euros only. */
export const EUROS: Rates = {
  version: 'EUR',
  base: 'EUR',
  rateOf: (name) => (name.toUpperCase() === 'EUR' ? 1 : Number.NaN),
}

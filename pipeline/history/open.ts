import { withClient } from '../../schemas/database.ts'
import type { Settings } from '../../schemas/settings.ts'
import { HOUR } from '../../schemas/time.ts'
import { loadRates } from '../features/rates.ts'
import { fromFile, fromSimulator, type InputSource } from './sources.ts'
import { fromTable } from './table.ts'

/** Which history: of a file, the simulator, or the database. */
export interface HistoryOptions {
  input?: string
  /** So many transactions. */
  simulate?: number
  seed: number
  /** A span of event time, milliseconds since 1970; the end is not part of it. */
  from?: number
  to?: number
}

/**
 * Runs with a history whose features are computed as the stream computes them.
 * @param delayDays a label is known so many days after its transaction
 */
export async function withHistory<T>(
  { input, simulate, seed, from, to }: HistoryOptions,
  delayDays: number,
  settings: Settings,
  signal: AbortSignal,
  use: (history: InputSource) => Promise<T>,
): Promise<T> {
  const state = {
    latenessMs: settings.ALLOWED_LATENESS * HOUR,
    rates: loadRates(settings.BASE_CURRENCY, settings.RATES_FILE),
    delayDays,
  }
  if (simulate !== undefined) return use(fromSimulator(simulate, seed, state))
  if (input === undefined) {
    const database = { connectionString: settings.DATABASE_URL!, application_name: 'weir-history' }
    return withClient(database, async (client) =>
      use(await fromTable(client, { from: from!, to: to! }, state)),
    )
  }
  let leftOut = 0
  const left = (rows: number): void => {
    leftOut += rows
  }
  const warn = (message: string): void => console.error(message)
  const result = await use(await fromFile(input, state, { warn, left, signal }))
  if (leftOut > 0) console.error(`${leftOut} lines were left out: the pipeline would reject them`)
  return result
}

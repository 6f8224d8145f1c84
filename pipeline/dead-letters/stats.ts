import { counted, isoTime, jsonLine, printable, table } from '../../schemas/printable.ts'
import { HOUR } from '../../schemas/time.ts'
import { type Entry, filtered } from './entries.ts'
import { type FilterOptions, filterOf } from './options.ts'
import { readEntries, type Session } from './session.ts'

export interface StatsOptions extends FilterOptions {
  json?: true
}

/** Counts of the records that were rejected; each once, by its newest code and time. */
export interface Stats {
  dead_letters: number
  /** Of them, rejected again after a replay. */
  returned: number
  /** The most frequent first. */
  by_code: { code: string; count: number; returned: number }[]
  /** By hour (its start, UTC), then code. */
  by_hour: { hour: string; code: string; count: number }[]
}

export function statsOf(entries: Entry[]): Stats {
  const codes = new Map<string, Stats['by_code'][0]>()
  const hours = new Map<string, Stats['by_hour'][0]>()
  let returned = 0
  for (const { newest, returned: times } of entries) {
    const { code, rejectedAt } = newest
    const byCode = codes.get(code) ?? { code, count: 0, returned: 0 }
    codes.set(code, byCode)
    byCode.count++
    const hour = isoTime(Math.floor(rejectedAt / HOUR) * HOUR)
    const byHour = hours.get(`${hour} ${code}`) ?? { hour, code, count: 0 }
    hours.set(`${hour} ${code}`, byHour)
    byHour.count++
    if (times === 0) continue
    byCode.returned++
    returned++
  }
  return {
    dead_letters: entries.length,
    returned,
    by_code: [...codes.values()].sort((a, b) => b.count - a.count || (a.code < b.code ? -1 : 1)),
    by_hour: [...hours.keys()].sort().map((key) => hours.get(key)!),
  }
}

/** Prints how many dead letters there are, by code and by hour. */
export async function stats(session: Session, options: StatsOptions): Promise<void> {
  const result = statsOf(filtered(await readEntries(session), filterOf(options)))
  if (options.json) console.log(jsonLine(result))
  else console.log(textOf(result))
}

function textOf({ dead_letters, returned, by_code, by_hour }: Stats): string {
  const total = `${counted(dead_letters, 'dead letter')}, ${returned} of them rejected again after a replay`
  if (dead_letters === 0) return counted(0, 'dead letter')
  const codes = by_code.map((row) => [printable(row.code), String(row.count), String(row.returned)])
  const hours = by_hour.map((row) => [`${row.hour.slice(0, 13)}:00Z`, printable(row.code), String(row.count)])
  return [
    total,
    table([['CODE', 'COUNT', 'AGAIN'], ...codes]),
    table([['HOUR', 'CODE', 'COUNT'], ...hours]),
  ].join('\n\n')
}

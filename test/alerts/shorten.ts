/**
 * The rules of production with shorter times, so that a fault is found within seconds instead of minutes: only what stands
 * in this table is replaced, and every time that stands in the rules must be in it. Counts (`600 *`, `> 20`) stay.
 */

/** Windows, `[10m]`: at a scrape a second. */
const WINDOWS: Record<string, string> = {
  '5m': '10s',
  '10m': '10s',
  '15m': '10s',
  '1h': '20s',
  '6h': '60s',
  '1d': '60s',
}

/** `offset 1w`: a week is 40 s, a day 20 to 100 s. */
const OFFSETS: Record<string, string> = {
  '6d23h30m': '40s',
  '13d23h30m': '80s',
  '20d23h30m': '120s',
  '27d23h30m': '160s',
  '23h30m': '20s',
  '1d23h30m': '60s',
  '2d23h30m': '100s',
  '1w': '60s',
  '2w': '120s',
  '3w': '180s',
  '4w': '240s',
  '1d': '30s',
  '2d': '90s',
  '3d': '150s',
}

/** `for: 5m`; backups and verifications that are missing stay what takes long. */
const FORS: Record<string, string> = {
  '1m': '2s',
  '2m': '4s',
  '5m': '5s',
  '15m': '15s',
  '30m': '30s',
  '1h': '1h',
  '2h': '2h',
  '1d': '1d',
}

/** Seconds that are numbers in an expression. */
const NUMBERS: [from: string, to: string][] = [
  ['weir:lag_seconds:max > 60', 'weir:lag_seconds:max > 6'],
  ['weir:lag_seconds:max > 900', 'weir:lag_seconds:max > 90'],
]

/** @throws when a time of the rules is not in the tables, or a number is not in the rules any more */
export function shorten(rules: string): string {
  const by = (table: Record<string, string>, time: string, where: string): string => {
    const short = table[time]
    if (short === undefined) throw new Error(`test/alerts/shorten.ts has nothing for ${where}`)
    return short
  }
  let text = rules
    .replaceAll(/\[(\d\w*)\]/g, (whole, time) => `[${by(WINDOWS, time, whole)}]`)
    .replaceAll(/offset (\w+)/g, (whole, time) => `offset ${by(OFFSETS, time, whole)}`)
    .replaceAll(/for: (\w+)/g, (whole, time) => `for: ${by(FORS, time, whole)}`)
  for (const [from, to] of NUMBERS) {
    if (!text.includes(from)) throw new Error(`the rules have no "${from}" any more`)
    text = text.replaceAll(from, to)
  }
  return text
}

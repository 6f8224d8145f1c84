import { InvalidArgumentError } from 'commander'
import { parseTimestamp } from './parse-timestamp.ts'

/** The command's options as given. */
export interface Options {
  file?: string
  generate?: number
  rate?: number
  seconds?: number
  seed?: number
  strict?: true
  json?: true
}

/** What is wrong with the options taken together; undefined if nothing. */
export function conflictOf(options: Options): string | undefined {
  const sources = (['file', 'generate', 'rate'] as const).filter((name) => options[name] !== undefined)
  if (sources.length === 0) return 'say what to send: --file FILE, --generate N or --rate R'
  if (sources.length > 1) return `--${sources.join(' and --')} exclude each other`
  if (options.seconds !== undefined && options.rate === undefined) return '--seconds goes with --rate only'
  if (options.seed !== undefined && options.file !== undefined)
    return '--seed goes with --generate and --rate only'
  return undefined
}

/** An option's integer from `least` to `most`. */
export const integer =
  (least: number, most: number) =>
  (text: string): number => {
    const value = Number(text)
    if (text.trim() !== '' && Number.isInteger(value) && value >= least && value <= most) return value
    throw new InvalidArgumentError(`Expected an integer from ${least} to ${most}.`)
  }

/** An option's time: ISO 8601, UTC without an offset, a date alone is its midnight. */
export function time(text: string): number {
  const at = parseTimestamp(text)
  if (at !== undefined) return at
  throw new InvalidArgumentError('Expected a time such as 2026-11-24 or 2026-11-24T05:00:00Z.')
}

/** An option's number above 0, up to `most`. */
export const positive =
  (most: number) =>
  (text: string): number => {
    const value = Number(text)
    if (value > 0 && value <= most) return value
    throw new InvalidArgumentError(`Expected a number above 0, up to ${most}.`)
  }

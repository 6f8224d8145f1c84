import { InvalidArgumentError } from 'commander'
import { FEATURES, type Feature } from '../features/features.ts'

/** Names of features, separated by commas. */
export function features(text: string): Feature[] {
  const names = text.split(',').map((name) => name.trim())
  const unknown = names.filter((name) => !FEATURES.includes(name as Feature))
  if (unknown.length > 0)
    throw new InvalidArgumentError(
      `There is no feature ${unknown.join(', ')}. There are: ${FEATURES.join(', ')}.`,
    )
  if (new Set(names).size < names.length) throw new InvalidArgumentError('A feature is named twice.')
  return names as Feature[]
}

export function time(text: string): Date {
  const date = new Date(text)
  if (Number.isNaN(date.getTime()))
    throw new InvalidArgumentError('expected a time such as 2026-11-01T00:00:00Z')
  return date
}

export function integer(text: string): number {
  const number = Number(text)
  if (!Number.isSafeInteger(number)) throw new InvalidArgumentError('expected an integer')
  return number
}

/** Of a delay; fractions are allowed. */
export function days(text: string): number {
  const number = Number(text)
  if (!(number >= 0 && number <= 3650) || text.trim() === '')
    throw new InvalidArgumentError('expected a number of days, 0 to 3650')
  return number
}

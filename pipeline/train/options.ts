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

import { InvalidArgumentError } from 'commander'
import { DAY, HOUR, MINUTE } from '../../schemas/time.ts'
import { SCOPES, type Scope } from '../context.ts'

/** What `npm run keys` takes as options. */

/** From when a key is made to when it ends; null for never. */
export type Expiry = (from: Date) => Date | null

export function expiry(text: string): Expiry {
  if (text === 'never') return () => null
  if (/^\d+[dhm]$/.test(text)) {
    const ms = duration(text)
    if (ms > 0) return (from) => new Date(from.getTime() + ms)
  }
  const at = /^\d{4}-\d\d-\d\d/.test(text) ? new Date(text) : new Date(Number.NaN)
  if (at.getTime() > Date.now()) return () => at
  throw new InvalidArgumentError(
    'Expected 90d, 12h, 30m, a time to come such as 2027-01-31T00:00:00Z, or never.',
  )
}

const UNITS: Record<string, number> = { d: DAY, h: HOUR, m: MINUTE }

/** Milliseconds, up to ten years. */
export function duration(text: string): number {
  const [, number, unit] = /^(\d{1,7})([dhm])$/.exec(text) ?? []
  const ms = text === '0' ? 0 : Number(number) * UNITS[unit]
  if (ms >= 0 && ms <= 3660 * DAY) return ms
  throw new InvalidArgumentError('Expected a time such as 7d, 12h or 30m.')
}

export function scopes(text: string): Scope[] {
  const given = [...new Set(text.split(',').map((scope) => scope.trim()))]
  if (given.every((scope) => (SCOPES as readonly string[]).includes(scope))) return given as Scope[]
  throw new InvalidArgumentError(`Expected some of ${SCOPES.join(', ')}, by commas.`)
}

export function keyName(text: string): string {
  if (/^[^\p{C}\p{Z}](?:[^\p{C}\p{Zl}\p{Zp}]{0,62}[^\p{C}\p{Z}])?$/u.test(text)) return text
  throw new InvalidArgumentError(
    'Expected 1 to 64 characters, without control characters or spaces at its ends.',
  )
}

/** The id in an id, or in a whole key: what was found somewhere it should not be. */
export function keyId(text: string): string {
  const id = /^(?:weir_)?([0-9a-z]{8})(?:_|$)/.exec(text)?.[1]
  if (id !== undefined) return id
  throw new InvalidArgumentError('Expected the eight characters of an id.')
}

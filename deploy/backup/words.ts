import { DAY, HOUR, MINUTE, SECOND } from '../../schemas/time.ts'
import type { Facts } from './manifest.ts'

/** What the commands of backups say to people goes to stderr: stdout has the result. */
export const say = (line: string): void => console.error(line)

export const megabytes = (bytes: number): string =>
  `${(bytes / 1e6).toLocaleString('en-US', { maximumFractionDigits: 1 })} MB`

const UNITS: [name: string, ms: number][] = [
  ['d', DAY],
  ['h', HOUR],
  ['min', MINUTE],
]

/** A span of time in its largest whole unit: 26 h, 3 d, 12 s. */
export function agoOf(ms: number): string {
  const [name, unit] = UNITS.find(([, unit]) => ms >= 2 * unit) ?? ['s', SECOND]
  return `${Math.floor(ms / unit)} ${name}`
}

export const totalRows = ({ tables }: Facts): number => tables.reduce((sum, { rows }) => sum + rows, 0)

import { DAY } from '../../schemas/time.ts'
/** Event times in milliseconds since 1970; the end is not part of it. */
export interface Span {
  from: number
  to: number
}

/** Days since 1970, UTC. */
export const dayOf = (time: number): number => Math.floor(time / DAY)

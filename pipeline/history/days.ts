/** Event times in milliseconds since 1970; the end is not part of it. */
export interface Span {
  from: number
  to: number
}

export const DAY = 86_400_000

/** Days since 1970, UTC. */
export const dayOf = (time: number): number => Math.floor(time / DAY)

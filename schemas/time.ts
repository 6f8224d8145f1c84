/** Spans of time in milliseconds. Days are UTC's, which have no changes of clocks. */
export const SECOND = 1000
export const MINUTE = 60 * SECOND
export const HOUR = 60 * MINUTE
export const DAY = 24 * HOUR

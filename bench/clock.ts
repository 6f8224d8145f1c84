/**
 * Milliseconds, with fractions, since some moment that is the same for all processes of the machine. Node's
 * `performance.timeOrigin` is not: each process takes it from the wall clock, which may be set in between.
 */
export const monotonicMs = (): number => Number(process.hrtime.bigint()) / 1e6

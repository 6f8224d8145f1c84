/**
 * Named instants at which a test kills the process as kill -9 would. Nothing is armed outside of tests: the settings
 * refuse it in production.
 */
export const FAILPOINTS = [
  'after-dead-letters',
  'before-copy',
  'in-copy',
  'after-copy',
  'before-commit',
  /** All of a transaction is sent, and unanswered. */
  'after-send',
  'after-commit',
  'in-checkpoint',
] as const
export type Failpoint = (typeof FAILPOINTS)[number]

let armed: string | undefined
let left = 0

/** @param point "name", or "name:n" for its n-th passing */
export function armFailpoint(point: string | undefined): void {
  const [name, passing = '1'] = point?.split(':') ?? []
  armed = name
  left = Number(passing)
}

/** Ends the process here if this point is armed and it is its turn. Called once a batch or seldomer. */
export function failpoint(name: Failpoint): void {
  if (name === armed && --left === 0) kill()
  // The end of the rows is written after this point; it leaves the process when this turn of the event loop is over.
  if (name === 'before-commit' && armed === 'after-send' && --left === 0) setImmediate(kill)
}

const kill = (): void => void process.kill(process.pid, 'SIGKILL')

/** A signal this soon after the first is the same Ctrl-C: npm passes a terminal's on to its child, which has it already. */
const SAME_MS = 1000

/**
 * Calls `first` at the first SIGINT or SIGTERM, and `again` when somebody insists.
 * @returns lets signals have their usual effect again
 */
export function onStopSignal(
  first: (signal: 'SIGINT' | 'SIGTERM') => void,
  again: () => void = () => {},
): () => void {
  let stoppedAt: number | undefined
  const handle = (signal: 'SIGINT' | 'SIGTERM'): void => {
    if (stoppedAt === undefined) {
      stoppedAt = performance.now()
      first(signal)
    } else if (performance.now() - stoppedAt > SAME_MS) again()
  }
  process.on('SIGINT', handle).on('SIGTERM', handle)
  return () => void process.off('SIGINT', handle).off('SIGTERM', handle)
}

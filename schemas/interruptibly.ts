import { onStopSignal } from './stop-signals.ts'

const EXIT_CODES = { SIGINT: 130, SIGTERM: 143 } as const

/** Takes what to do before the process ends although work is still under way. */
export type OnGiveUp = (action: () => void) => void

/**
 * Runs work that ends in good order at the first SIGINT or SIGTERM, which aborts its signal and sets the exit code (130,
 * 143). With a second one, or after the grace, the process ends at once.
 * @param graceSeconds by default there is no limit
 * @throws what the work throws, unless that is the abortion
 */
export async function interruptibly(
  work: (signal: AbortSignal, onGiveUp: OnGiveUp) => Promise<void>,
  graceSeconds?: number,
): Promise<void> {
  const controller = new AbortController()
  const { signal } = controller
  let atGiveUp = (): void => {}
  const giveUp = (): never => {
    atGiveUp()
    process.exit(process.exitCode)
  }
  let grace: NodeJS.Timeout | undefined
  const release = onStopSignal((name) => {
    process.exitCode = EXIT_CODES[name]
    controller.abort()
    if (graceSeconds !== undefined) grace = setTimeout(giveUp, graceSeconds * 1000)
  }, giveUp)
  try {
    await work(signal, (action) => {
      atGiveUp = action
    })
  } catch (error) {
    if (!signal.aborted || (error as Error).name !== 'AbortError') throw error
  } finally {
    clearTimeout(grace)
    atGiveUp = () => {}
    // The second half of a Ctrl-C may come when the work has ended already: it must not kill a process that ends well.
    if (!signal.aborted) release()
  }
}

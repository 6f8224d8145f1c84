import { onStopSignal } from '../../schemas/stop-signals.ts'

const CODES = { SIGINT: 130, SIGTERM: 143 } as const

export interface Interruption {
  /** Aborted by the first SIGINT or SIGTERM. */
  signal: AbortSignal
  /** The exit code that the signal asks for; undefined as long as there was none. */
  readonly exitCode: number | undefined
  /** What to do before the process is ended although work is still under way. */
  onGiveUp(action: () => void): void
  /** All work is over: signals have their usual effect again. */
  done(): void
}

/**
 * Ctrl-C in two steps: the first lets the work end by itself within so many seconds; after them, or with a second
 * Ctrl-C, the process ends at once.
 */
export function interruption(graceSeconds: number): Interruption {
  const controller = new AbortController()
  let exitCode: number | undefined
  let giveUpAction = (): void => {}
  let grace: NodeJS.Timeout | undefined
  const giveUp = (): never => {
    giveUpAction()
    console.error('not all that was sent has been acknowledged')
    process.exit(exitCode)
  }
  const release = onStopSignal((name) => {
    exitCode = CODES[name]
    controller.abort()
    grace = setTimeout(giveUp, graceSeconds * 1000)
  }, giveUp)
  return {
    signal: controller.signal,
    get exitCode() {
      return exitCode
    },
    onGiveUp(action) {
      giveUpAction = action
    },
    done() {
      clearTimeout(grace)
      release()
    },
  }
}

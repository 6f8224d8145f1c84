import type { Logger } from './log.ts'

/**
 * Logs an error that nobody has caught and ends the process with 1, as Node would, which prints all that the error
 * holds, values of rows too.
 */
export function logUncaught(log: Logger): void {
  process.on('uncaughtException', (error) => {
    log.fatal({ err: error }, 'an error that was not foreseen ends the process')
    process.exit(1)
  })
}

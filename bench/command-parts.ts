import { InvalidArgumentError } from 'commander'
import { onStopSignal } from '../schemas/stop-signals.ts'

/** What the benchmarks' commands have in common. */

export const progress = (line: string): void => console.error(line)

/** Ctrl-C gives the measurement up and lets it clean up; once more ends it at once. */
export async function interruptibly(measure: (signal: AbortSignal) => Promise<void>): Promise<void> {
  const end = new AbortController()
  onStopSignal(
    () => end.abort(),
    () => process.exit(130),
  )
  try {
    await measure(end.signal)
  } catch (error) {
    if (!end.signal.aborted) throw error
    console.error('Interrupted; nothing is left behind.')
    process.exitCode = 130
  }
}

export function wholeNumber(smallest: number): (text: string) => number {
  return (text) => {
    const value = Number(text.replaceAll('_', ''))
    if (!Number.isSafeInteger(value) || value < smallest)
      throw new InvalidArgumentError(`Expected a whole number from ${smallest} on.`)
    return value
  }
}

/** Several by commas. */
export const wholeNumbers = (smallest: number) => (text: string) => text.split(',').map(wholeNumber(smallest))

/** An empty list for the word `none`. */
export const noneOr =
  <T>(parse: (text: string) => T[]) =>
  (text: string): T[] =>
    text === 'none' ? [] : parse(text)

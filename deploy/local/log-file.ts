import { readFileSync } from 'node:fs'

/** The last lines of a server's log, for the report of a failed start. */
export function lastLines(file: string, count = 15): string {
  try {
    const lines = readFileSync(file, 'utf8').trimEnd().split('\n').slice(-count)
    return `The last lines of ${file}:\n${lines.map((line) => `  ${line}`).join('\n')}`
  } catch {
    return `It left no log at ${file}.`
  }
}

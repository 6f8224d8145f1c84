import { execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Command } from 'commander'

/** What every benchmark does with its report. */
export interface OutputOptions {
  json?: boolean
  keep?: boolean
}

const root = fileURLToPath(new URL('..', import.meta.url))
const results = join(root, 'bench', 'results')

export const withOutputOptions = (command: Command): Command =>
  command
    .option('--json', 'print one JSON object')
    .option('--keep', 'write it to bench/results/, with the day and the commit in its name')

/** Prints the report, as JSON or for people, and keeps it where asked to. */
export function present<Report extends object>(
  name: string,
  report: Report,
  render: (report: Report) => string,
  { json, keep }: OutputOptions,
): void {
  if (keep) console.error(`Kept in ${relative(process.cwd(), keepResult(name, report))}`)
  console.log(json ? JSON.stringify(report) : render(report))
}

/** @returns the file that was written */
export function keepResult(name: string, report: object, directory = results, now = new Date()): string {
  const commit = currentCommit()
  const file = join(directory, fileName(name, now, commit))
  mkdirSync(directory, { recursive: true })
  const kept = { benchmark: name, at: now.toISOString(), commit, ...report }
  writeFileSync(file, `${JSON.stringify(kept, null, 2)}\n`)
  return file
}

/** To the minute: two results of a day do not overwrite each other. */
export function fileName(name: string, at: Date, commit: string | null): string {
  const minute = at.toISOString().slice(0, 16).replace('T', '-').replace(':', '')
  return `${[name, minute, commit].filter((part) => part !== null).join('-')}.json`
}

/** With a mark when what ran is not what was committed; null where there is no repository. */
function currentCommit(): string | null {
  try {
    const git = (...args: string[]) =>
      execFileSync('git', args, { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim()
    const changed = git('status', '--porcelain', '--untracked-files=no') !== ''
    return `${git('rev-parse', '--short', 'HEAD')}${changed ? '-changed' : ''}`
  } catch {
    return null
  }
}

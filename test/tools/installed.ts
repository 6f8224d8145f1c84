import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { runProgram } from '../../pipeline/train/run-program.ts'

/** Programs that checks need, kept in the cache directory, each with all that it brings, at fixed versions. */

export interface ToolOptions {
  /** The cache directory. */
  cache: string
  signal: AbortSignal
  /** Takes lines that tell how far it is. */
  say: (line: string) => void
}

type Install = (directory: string, signal: AbortSignal) => Promise<void>

/**
 * Where in the cache directory it is, or would be. A virtual environment cannot be moved to its place, so a file tells that it
 * is complete.
 * @param content what decides what is in it, such as names and versions
 */
export function homeOf(
  name: string,
  content: string,
  cache: string,
): { path: string; mark: string; isComplete: boolean } {
  const path = join(cache, `${name}-${createHash('sha256').update(content).digest('hex').slice(0, 12)}`)
  const mark = join(path, 'complete')
  return { path, mark, isComplete: existsSync(mark) }
}

/** A directory of the cache, filled once for each content. */
export async function installed(
  name: string,
  content: string,
  options: ToolOptions,
  install: Install,
): Promise<string> {
  const { cache, signal, say } = options
  const { path: home, mark, isComplete } = homeOf(name, content, cache)
  if (isComplete) return home
  say(`Installing ${name} into the cache directory, once ...`)
  await rm(home, { recursive: true, force: true })
  await mkdir(home, { recursive: true })
  await install(home, signal)
  await writeFile(mark, '')
  return home
}

/** Installs with pip into a virtual environment; programs are in bin/. @param what pip's arguments, e.g. name==version */
export const pythonPackages =
  (what: string[]): Install =>
  async (directory, signal) => {
    await runProgram('python3', ['-m', 'venv', directory], { signal })
    const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', ...what]
    await runProgram(join(directory, 'bin', 'python'), pip, { signal })
  }

/** Installs with npm; programs are in node_modules/.bin/. Install scripts of others are not run. */
export const npmPackages =
  (what: string[]): Install =>
  (directory, signal) =>
    runProgram(
      'npm',
      ['install', '--prefix', directory, '--ignore-scripts', '--no-audit', '--no-fund', ...what],
      {
        signal,
      },
    )

/** Builds a program with Go, into the directory itself. @param what package@version */
export const goProgram =
  (what: string): Install =>
  (directory, signal) =>
    runProgram('/usr/bin/env', [`GOBIN=${directory}`, 'CGO_ENABLED=0', 'go', 'install', what], { signal })

/** The same from a module of its own, for what has an `exclude` or `replace` in its go.mod. @param what package@version */
export const goModuleProgram =
  (what: string, name: string): Install =>
  async (directory, signal) => {
    const go = (...args: string[]) =>
      runProgram('/usr/bin/env', ['CGO_ENABLED=0', 'go', ...args], { signal, cwd: directory })
    await go('mod', 'init', 'tool')
    await go('get', what)
    await go('build', '-o', name, what.split('@')[0])
  }

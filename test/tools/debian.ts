import { existsSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { runProgram } from '../../pipeline/train/run-program.ts'
import { cacheDirectory } from '../../schemas/cache-directory.ts'
import { homeOf, installed, type ToolOptions } from './installed.ts'

/**
 * Programs of Debian's packages: the machine's own, else those of the package, which is unpacked into the cache directory.
 * Nothing is installed on the machine, and no service is started.
 */

/** Daemons are in the second of them, which is not on everybody's PATH. */
const DIRECTORIES = ['/usr/bin', '/usr/sbin']

/**
 * @returns the path of each program
 * @throws with what to do where the machine has not all of them, and there is no apt, or not this package
 */
export async function debianPrograms<N extends string>(
  packageName: string,
  programs: readonly N[],
  options: ToolOptions,
): Promise<Record<N, string>> {
  const own = programs.map((program) => [program, ownProgram(program)])
  if (own.every(([, path]) => path !== undefined)) return Object.fromEntries(own) as Record<N, string>
  const home = await installed(nameOf(packageName), packageName, options, (directory, signal) =>
    unpack(packageName, directory, signal),
  )
  const unpacked = programs.map((program) => {
    const path = unpackedProgram(home, program)
    if (path === undefined) throw new Error(`Debian's ${packageName} has no ${program}`)
    return [program, path]
  })
  return Object.fromEntries(unpacked) as Record<N, string>
}

/** @returns the machine's own program, or the one that was unpacked before; undefined when there is none */
export function findDebianProgram(packageName: string, program: string): string | undefined {
  const own = ownProgram(program)
  if (own !== undefined) return own
  const cache = cacheDirectory(process.env.WEIR_CACHE_DIR)
  const home = homeOf(nameOf(packageName), packageName, cache)
  return home.isComplete ? unpackedProgram(home.path, program) : undefined
}

const nameOf = (packageName: string): string => `debian-${packageName}`

/** @returns the machine's own program; undefined when there is none */
export const ownProgram = (program: string): string | undefined =>
  firstThere([...(process.env.PATH ?? '').split(delimiter), ...DIRECTORIES], program)

const unpackedProgram = (home: string, program: string): string | undefined =>
  firstThere(
    DIRECTORIES.map((directory) => join(home, directory)),
    program,
  )

const firstThere = (directories: string[], program: string): string | undefined =>
  directories.map((directory) => join(directory, program)).find((path) => existsSync(path))

async function unpack(packageName: string, directory: string, signal: AbortSignal): Promise<void> {
  try {
    await runProgram('apt-get', ['download', packageName], { signal, cwd: directory })
  } catch (cause) {
    signal.throwIfAborted()
    throw new Error(
      `apt-get download ${packageName}: ${(cause as Error).message}. Does \`apt-get update\` help? It needs Debian or Ubuntu.`,
      { cause },
    )
  }
  const [file] = (await readdir(directory)).filter((each) => each.endsWith('.deb'))
  await runProgram('dpkg-deb', ['-x', file, '.'], { signal, cwd: directory })
}

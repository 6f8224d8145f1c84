import { existsSync, readdirSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { runProgram } from '../../pipeline/train/run-program.ts'
import { installed, type ToolOptions } from '../tools/installed.ts'

/**
 * Programs of a Debian package: those on the PATH, else of the package, which is fetched by apt and unpacked into the cache
 * directory; nothing is installed on the machine.
 * @returns the path of each program
 * @throws with what to do when there is neither
 */
export async function debianPrograms<N extends string>(
  packageName: string,
  programs: readonly N[],
  options: ToolOptions,
): Promise<Record<N, string>> {
  const present = programs.map((name) => [name, onPath(name)])
  if (present.every(([, path]) => path !== undefined)) return Object.fromEntries(present)
  const home = await installed(`debian-${packageName}`, packageName, options, (directory, signal) =>
    unpack(packageName, directory, signal),
  )
  return Object.fromEntries(programs.map((name) => [name, join(home, 'usr', 'bin', name)])) as Record<
    N,
    string
  >
}

const onPath = (name: string): string | undefined =>
  (process.env.PATH ?? '')
    .split(delimiter)
    .map((directory) => join(directory, name))
    .find((path) => existsSync(path))

async function unpack(packageName: string, directory: string, signal: AbortSignal): Promise<void> {
  try {
    await runProgram('apt-get', ['download', packageName], { signal, cwd: directory })
  } catch (cause) {
    signal.throwIfAborted()
    throw new Error(
      `the Debian package ${packageName} cannot be fetched (apt-get update?); or install it: apt-get install ${packageName}`,
      { cause },
    )
  }
  const file = readdirSync(directory).find((name) => name.endsWith('.deb'))
  if (file === undefined) throw new Error(`apt-get download ${packageName} left no .deb`)
  await runProgram('dpkg-deb', ['-x', file, '.'], { signal, cwd: directory })
}

import { existsSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { runProgram } from '../../pipeline/train/run-program.ts'
import { cacheDirectory } from '../../schemas/cache-directory.ts'
import { installed, type ToolOptions } from './installed.ts'

/** Programs of Debian's packages, which are unpacked into the cache directory: nothing is installed, and no service is started. */

const NGINX = '/usr/sbin/nginx'

/**
 * @param path where the package has the program, e.g. /usr/bin/promtool
 * @returns the machine's own, else the unpacked one
 * @throws where there is no apt, or not this package
 */
export async function debianProgram(name: string, path: string, options: ToolOptions): Promise<string> {
  if (existsSync(path)) return path
  const home = await installed(`debian-${name}`, name, options, async (directory, signal) => {
    await runProgram('apt-get', ['download', name], { signal, cwd: directory }).catch((cause) => {
      throw new Error(
        `apt-get download ${name}: ${cause.message}. Does \`apt-get update\` help? It needs Debian or Ubuntu.`,
        {
          cause,
        },
      )
    })
    const [file] = (await readdir(directory)).filter((each) => each.endsWith('.deb'))
    await runProgram('dpkg-deb', ['-x', file, '.'], { signal, cwd: directory })
  })
  return join(home, path)
}

/** nginx, unpacked if need be. */
export const nginx = (options: ToolOptions): Promise<string> => debianProgram('nginx', NGINX, options)

/** @returns the nginx of this machine, or the one that was unpacked before; undefined when there is none */
export async function findNginx(): Promise<string | undefined> {
  const cache = cacheDirectory(process.env.WEIR_CACHE_DIR)
  if (existsSync(NGINX)) return NGINX
  const unpacked = existsSync(cache) ? await readdir(cache) : []
  return unpacked
    .filter((each) => each.startsWith('debian-nginx-'))
    .map((each) => join(cache, each, NGINX))
    .find((program) => existsSync(program))
}

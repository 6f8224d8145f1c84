import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { copyFile, mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { runProgram } from '../../pipeline/train/run-program.ts'

/** The two programs that look at the API: kept in the cache directory, each with all that it brings, at fixed versions. */

const requirements = fileURLToPath(new URL('./requirements.txt', import.meta.url))
const ruleset = fileURLToPath(new URL('./spectral.yaml', import.meta.url))
const SPECTRAL = ['@stoplight/spectral-cli@6.16.3', '@stoplight/spectral-owasp-ruleset@2.0.1']

export interface ToolOptions {
  /** The cache directory. */
  cache: string
  signal: AbortSignal
  /** Takes lines that tell how far it is. */
  say: (line: string) => void
}

/** @returns the program `schemathesis` @throws when it cannot be installed */
export async function schemathesis(options: ToolOptions): Promise<string> {
  const versions = readFileSync(requirements, 'utf8')
  const home = await installed(`schemathesis-${hash(versions)}`, options, async (directory, signal) => {
    await runProgram('python3', ['-m', 'venv', directory], { signal })
    const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '-r', requirements]
    await runProgram(join(directory, 'bin', 'python'), pip, { signal })
  })
  return join(home, 'bin', 'schemathesis')
}

/** @returns the program `spectral` and its ruleset @throws when they cannot be installed */
export async function spectral(options: ToolOptions): Promise<{ program: string; ruleset: string }> {
  const home = await installed(`spectral-${hash(SPECTRAL.join())}`, options, async (directory, signal) => {
    // Install scripts of others are not run: one of them only counts its users.
    const npm = ['install', '--prefix', directory, '--ignore-scripts', '--no-audit', '--no-fund', ...SPECTRAL]
    await runProgram('npm', npm, { signal })
  })
  // Beside the packages that it names, where they are looked for.
  const copy = join(home, 'spectral.yaml')
  await copyFile(ruleset, copy)
  return { program: join(home, 'node_modules', '.bin', 'spectral'), ruleset: copy }
}

/** A directory of the cache. A virtual environment cannot be moved to its place, so a file tells that it is complete. */
export async function installed(
  name: string,
  { cache, signal, say }: ToolOptions,
  install: (directory: string, signal: AbortSignal) => Promise<void>,
): Promise<string> {
  const home = join(cache, name)
  const complete = join(home, 'complete')
  if (existsSync(complete)) return home
  say(`Installing ${name} into the cache directory, once ...`)
  await rm(home, { recursive: true, force: true })
  await mkdir(home, { recursive: true })
  await install(home, signal)
  await writeFile(complete, '')
  return home
}

const hash = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 12)

import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ProgramError, runProgram } from './run-program.ts'

/**
 * Python with LightGBM, in a virtual environment in the cache directory: made once, with exactly the packages of
 * requirements.txt, each checked against its SHA-256. Other requirements are another environment.
 */

const requirements = fileURLToPath(new URL('./requirements.txt', import.meta.url))
const OTHERWISE = 'Or train an isolation forest, which needs no Python: --model isolation-forest.'

export interface PythonOptions {
  /** The cache directory. */
  cache: string
  signal: AbortSignal
  /** Takes lines that tell how far it is. */
  say: (line: string) => void
  /** Program to make the environment with. */
  python?: string
}

/**
 * @returns the environment's Python; an environment that does not work (any more) is made anew
 * @throws with what is missing and how to get it
 */
export async function pythonWithLightgbm(options: PythonOptions): Promise<string> {
  const { cache, signal, say } = options
  const key = createHash('sha256').update(readFileSync(requirements)).digest('hex').slice(0, 12)
  const home = join(cache, `lightgbm-${key}`)
  const python = join(home, 'bin', 'python')
  if (existsSync(home)) {
    // A Python that was upgraded or removed since leaves the environment without one.
    const works = await runProgram(python, ['-I', '-c', 'import lightgbm'], { signal }).then(
      () => true,
      () => false,
    )
    signal.throwIfAborted()
    if (works) return python
    say('The Python environment for LightGBM does not work any more: making it anew.')
  }
  await mkdir(cache, { recursive: true })
  // Made beside and moved when it is complete: whatever has the name works, or once did.
  const work = await mkdtemp(join(cache, 'lightgbm-new-'))
  try {
    // In a directory inside: the temporary one is for this user only, the cache need not be.
    const made = join(work, 'environment')
    await makeEnvironment(made, options)
    await rm(home, { recursive: true, force: true })
    await rename(made, home).catch((error: NodeJS.ErrnoException) => {
      // Another process was first: its environment is as good.
      if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error
    })
  } finally {
    await rm(work, { recursive: true, force: true })
  }
  return python
}

async function makeEnvironment(
  home: string,
  { signal, say, python = 'python3' }: PythonOptions,
): Promise<void> {
  const step = (command: string, args: string[], remedy: (error: ProgramError) => string) =>
    runProgram(command, args, { signal, temporary: home }).catch((error: Error) => {
      if (!(error instanceof ProgramError)) throw error
      const said = error.output === '' ? '' : `\n${error.output}`
      throw new Error(`${remedy(error)} ${OTHERWISE}${said}`, { cause: error })
    })

  say('Installing LightGBM into the cache directory, once (70 MB to download) ...')
  await step(
    python,
    ['-I', '-c', 'import sys; sys.exit(0 if (3, 11) <= sys.version_info else sys.version)'],
    ({ message }) =>
      `training LightGBM needs Python 3.11 or later as ${python} (${message}): install it from your system's packages ` +
      '(Debian, Ubuntu: apt install python3 python3-venv; macOS: brew install python).',
  )
  await step(
    python,
    ['-I', '-m', 'venv', home],
    ({ message }) =>
      `${python} cannot make a virtual environment (${message}): install its venv module (Debian, Ubuntu: apt install ` +
      'python3-venv).',
  )
  const inside = join(home, 'bin', 'python')
  const install = ['-m', 'pip', 'install', '--no-input', '--require-hashes', '--only-binary', ':all:']
  await step(
    inside,
    [...install, '--disable-pip-version-check', '-r', requirements],
    ({ message }) =>
      `LightGBM could not be installed (pip: ${message}). Is the network there, and does pip reach its package index ` +
      '(mirrors and proxies: `pip config`, HTTPS_PROXY)? Start again to try again.',
  )
  await step(
    inside,
    ['-I', '-c', 'import lightgbm'],
    ({ message }) =>
      `LightGBM is installed but cannot be loaded (${message}): it needs OpenMP of the system (Debian, Ubuntu: apt ` +
      'install libgomp1; macOS: brew install libomp).',
  )
}

import { readFileSync } from 'node:fs'
import { copyFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { installed, npmPackages, pythonPackages, type ToolOptions } from '../tools/installed.ts'

/** The two programs that look at the API: kept in the cache directory, each with all that it brings, at fixed versions. */

const requirements = fileURLToPath(new URL('./requirements.txt', import.meta.url))
const ruleset = fileURLToPath(new URL('./spectral.yaml', import.meta.url))
const SPECTRAL = ['@stoplight/spectral-cli@6.16.3', '@stoplight/spectral-owasp-ruleset@2.0.1']

/** @returns the program `schemathesis` @throws when it cannot be installed */
export async function schemathesis(options: ToolOptions): Promise<string> {
  const home = await installed(
    'schemathesis',
    readFileSync(requirements, 'utf8'),
    options,
    pythonPackages(['-r', requirements]),
  )
  return join(home, 'bin', 'schemathesis')
}

/** @returns the program `spectral` and its ruleset @throws when they cannot be installed */
export async function spectral(options: ToolOptions): Promise<{ program: string; ruleset: string }> {
  const home = await installed('spectral', SPECTRAL.join(), options, npmPackages(SPECTRAL))
  // Beside the packages that it names, where they are looked for.
  const copy = join(home, 'spectral.yaml')
  await copyFile(ruleset, copy)
  return { program: join(home, 'node_modules', '.bin', 'spectral'), ruleset: copy }
}

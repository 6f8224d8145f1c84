import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Command, InvalidArgumentError } from 'commander'
import { runProgram } from '../../pipeline/train/run-program.ts'
import { cacheDirectory } from '../../schemas/cache-directory.ts'
import { onStopSignal } from '../../schemas/stop-signals.ts'
import type { ToolOptions } from '../tools/installed.ts'
import { KEY, withApi } from './api.ts'
import { schemathesis, spectral } from './tools.ts'

/** `npm run check:api`: the OpenAPI document by spectral's rules, and the API by the document, with schemathesis. */

const configuration = fileURLToPath(new URL('./schemathesis.toml', import.meta.url))

interface Options {
  examples: number
  document?: string
  seed?: number
  only?: string[]
}

interface Check extends ToolOptions {
  url: string
  /** A file that holds the OpenAPI document. */
  document: string
  options: Options
}

const command = new Command('npm run check:api --')
  .description(
    'Starts a PostgreSQL and the API with some anomalies, and looks for calls that it answers otherwise than its OpenAPI ' +
      'document says. Needs Python 3.11 or later; installs schemathesis and spectral into the cache directory, once.',
  )
  .option('--examples <n>', 'calls for each operation, at most, in each phase', number, 100)
  .option('--document <file>', 'another document than /api/openapi.json')
  .option('--seed <n>', 'what chance begins with, to repeat a run', number)
  .option('--only <names>', 'spectral or schemathesis', (text: string) => text.split(','))
  .addHelpText('after', '\nExit code 0: nothing was found; 1: something was, or could not be looked for.')
  .action(main)

await command.parseAsync()

async function main(options: Options): Promise<void> {
  const end = new AbortController()
  onStopSignal(
    () => end.abort(),
    () => process.exit(130),
  )
  const directory = await mkdtemp(join(tmpdir(), 'weir-check-api-'))
  try {
    process.exitCode = await withApi(end.signal, async (url) => {
      const document = join(directory, 'openapi.json')
      await writeFile(document, await documentOf(url, options))
      const cache = cacheDirectory(process.env.WEIR_CACHE_DIR)
      const check = { url, document, options, cache, signal: end.signal, say: console.error }
      return runChecks(check)
    })
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

/** All are run, whatever the first ones find. @returns the exit code */
async function runChecks(check: Check): Promise<number> {
  const checks = { spectral: lint, schemathesis: fuzz }
  let failed = 0
  for (const [name, run] of Object.entries(checks)) {
    if (check.options.only !== undefined && !check.options.only.includes(name)) continue
    console.error(`${name} ...`)
    try {
      await run(check)
    } catch (error) {
      check.signal.throwIfAborted()
      console.error(`${name}: ${(error as Error).message}`)
      failed = 1
    }
  }
  return failed
}

async function documentOf(url: string, { document }: Options): Promise<string> {
  if (document !== undefined) return readFile(document, 'utf8')
  const answer = await fetch(`${url}/api/openapi.json`, { headers: { 'X-API-Key': KEY } })
  if (!answer.ok) throw new Error(`/api/openapi.json: ${answer.status} ${await answer.text()}`)
  return answer.text()
}

async function lint(check: Check): Promise<void> {
  const { program, ruleset } = await spectral(check)
  const args = ['lint', check.document, '--ruleset', ruleset, '--fail-severity', 'warn']
  await runProgram(program, args, { signal: check.signal, onLine: console.log })
}

/** All of schemathesis' checks but for the event stream, which never ends. */
async function fuzz(check: Check): Promise<void> {
  const { examples, seed } = check.options
  const args = [
    '--config-file',
    configuration,
    'run',
    check.document,
    '--url',
    check.url,
    '--header',
    `X-API-Key: ${KEY}`,
  ]
  args.push('--checks', 'all', '--max-examples', String(examples), '--exclude-path-regex', '/stream$')
  args.push('--continue-on-failure', '--no-color', ...(seed === undefined ? [] : ['--seed', String(seed)]))
  // It leaves what it has learnt in the directory that it runs in.
  const cwd = dirname(check.document)
  await runProgram(await schemathesis(check), args, { signal: check.signal, onLine: console.log, cwd })
}

function number(text: string): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 1)
    throw new InvalidArgumentError('expected a whole number from 1 up')
  return value
}

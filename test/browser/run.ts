import { existsSync, globSync, mkdirSync } from 'node:fs'
import { basename, resolve } from 'node:path'
import { run } from 'node:test'
import { spec } from 'node:test/reporters'
import { Command } from 'commander'
import { startServers } from '../../deploy/local/servers.ts'
import { onStopSignal } from '../../schemas/stop-signals.ts'

/** `npm run test:browser [-- name ...]`: the pages in a real browser, over a real API and PostgreSQL. */

/** Where distributions and installers put it. */
const BROWSERS = [
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
]
/** A test that takes longer hangs. */
const HUNG_MS = 120_000

interface Options {
  chromium?: string
  screenshots?: string
}

const command = new Command('npm run test:browser --')
  .description(
    'Runs test/browser in headless Chromium, over a PostgreSQL and the API, which it starts: logging in, deciding by keys ' +
      'and clicks, what a key may not, narrow and wide windows, and accessibility by axe-core.',
  )
  .argument('[names...]', "only the files whose names hold one of these, such as 'queue'")
  .option('--chromium <file>', 'the browser; default: where Debian, Google and macOS put theirs')
  .option('--screenshots <directory>', 'write screenshots there, too')
  .addHelpText(
    'after',
    '\nNeeds Chromium or Chrome, of which npm has none: `apt-get install chromium` on Debian, `brew install --cask ' +
      'chromium` on macOS.\nExit code 0: all passed; 1: a test failed, none ran, or there is no browser.',
  )
  .action(main)

await command.parseAsync()

async function main(names: string[], { chromium, screenshots }: Options): Promise<void> {
  const browser = [chromium ?? BROWSERS].flat().find((file) => existsSync(file))
  if (browser === undefined)
    command.error(
      `error: no browser at ${chromium ?? BROWSERS.join(', ')}; install it (\`apt-get install chromium\`) or name it with --chromium`,
    )
  const files = globSync('test/browser/*.test.ts')
    .filter((file) => names.length === 0 || names.some((name) => basename(file).includes(name)))
    .sort()
  if (files.length === 0) command.error(`error: no file of test/browser matches ${names.join(', ')}`)
  process.env.CHROMIUM = browser
  if (screenshots !== undefined) {
    mkdirSync(screenshots, { recursive: true })
    process.env.SCREENSHOTS = resolve(screenshots)
  }
  const end = new AbortController()
  onStopSignal(
    () => end.abort(),
    () => process.exit(130),
  )
  process.exitCode = await withServers(end.signal, () => runFiles(files, end.signal))
  if (end.signal.aborted) process.exitCode = 130
}

async function withServers(signal: AbortSignal, use: () => Promise<number>): Promise<number> {
  // Nothing of the API needs Kafka or the registry, so none is started.
  const others = { KAFKA_BROKERS: ['127.0.0.1:1'], SCHEMA_REGISTRY_URL: 'http://127.0.0.1:1' }
  await using servers = await startServers({ settings: others, signal })
  process.env.KAFKA_BROKERS = others.KAFKA_BROKERS[0]
  process.env.SCHEMA_REGISTRY_URL = others.SCHEMA_REGISTRY_URL
  process.env.DATABASE_URL = servers.DATABASE_URL
  // Without `await` the servers would be stopped first.
  return await use()
}

/** @returns the exit code */
async function runFiles(files: string[], signal: AbortSignal): Promise<number> {
  let failed = 0
  let passed = 0
  const tests = run({ files, execArgv: ['--import', 'tsx'], concurrency: 1, timeout: HUNG_MS, signal })
  tests.on('test:fail', () => {
    failed++
  })
  tests.on('test:pass', (test) => {
    // A file without tests is told as one test, named as the file.
    if (test.details.type !== 'suite' && !files.includes(test.name)) passed++
  })
  for await (const text of tests.compose(spec)) process.stdout.write(text)
  if (passed + failed === 0) console.error('No test ran.')
  return failed > 0 || passed === 0 ? 1 : 0
}

import { Command } from 'commander'
import { runProgram } from '../../pipeline/train/run-program.ts'
import { cacheDirectory } from '../../schemas/cache-directory.ts'
import { endWithReader } from '../../schemas/end-with-reader.ts'
import { table } from '../../schemas/printable.ts'
import { onStopSignal } from '../../schemas/stop-signals.ts'
import { withFaultServers } from '../faults/servers.ts'
import { debianPrograms } from '../tools/debian.ts'
import { faults } from './faults.ts'
import { install } from './installation.ts'
import { type Measured, measure } from './measure.ts'

/** `npm run test:alerts`: breaks a real installation, and sees whether Prometheus finds it out. */

interface Options {
  only?: string[]
  list?: true
  rules?: true
  json?: true
}

const AFTER_HELP = `
The rules are those of deploy/prometheus/rules/weir.yml with shorter times (test/alerts/shorten.ts has each): minutes are
seconds, weeks 40 s. So the seconds tell that an alert fires and ends, not how soon in production. Servers, pipeline, API and
Prometheus are real processes, started here. Prometheus is the one on the PATH, or Debian's, fetched by apt-get download.

Exit code 0: every fault was found, and its alert ended after the cure; 1: one was not, or could not be tried.`

const command = new Command('npm run test:alerts --')
  .description(
    'Break a running installation in every way that an alert is for, and measure when it fires and ends.',
  )
  .option('--only <faults>', 'these faults, by commas', (text: string) => text.split(','))
  .option('--list', 'list the faults')
  .option('--rules', 'only run the tests of the rules by promtool, without servers; takes a minute')
  .option('--json', 'print one JSON object on stdout; progress stays on stderr')
  .addHelpText('after', AFTER_HELP)
  .action(main)

await command.parseAsync()

async function main({ only, list, rules, json }: Options): Promise<void> {
  endWithReader()
  if (list) {
    console.log(table(faults.map(({ id, alert, title }) => [id, alert, title])))
    return
  }
  const unknown = only?.filter((id) => !faults.some((fault) => fault.id === id)) ?? []
  if (unknown.length > 0) command.error(`error: no fault ${unknown.join(', ')}; --list shows them`)
  const chosen = faults.filter(({ id }) => only === undefined || only.includes(id))
  const end = new AbortController()
  onStopSignal(
    (signal) => {
      say(`${signal}: stopping after this fault; once more to stop at once`)
      end.abort()
    },
    () => process.exit(130),
  )
  const cache = cacheDirectory(process.env.WEIR_CACHE_DIR)
  const { prometheus, promtool } = await debianPrograms('prometheus', ['prometheus', 'promtool'], {
    cache,
    signal: end.signal,
    say,
  })
  if (rules) return testRules(promtool, end.signal)
  let measured: Measured[] = []
  process.exitCode = await withFaultServers(end.signal, say, async (servers) => {
    const cleanUps: (() => unknown)[] = []
    try {
      const scope = { after: (cleanUp: never) => void cleanUps.push(cleanUp) }
      const installation = await install(scope, servers, prometheus)
      for (const fault of chosen) {
        if (end.signal.aborted) break
        measured = [...measured, await measure(fault, installation, say)]
        say(lineOf(measured.at(-1)!).join('  '))
      }
    } finally {
      for (const cleanUp of cleanUps.reverse())
        await (async () => cleanUp())().catch((error) => say(error.message))
    }
    const isFound = ({ seconds_to_fire, seconds_to_stop }: Measured) =>
      seconds_to_fire !== null && seconds_to_stop !== null
    return measured.length === chosen.length && measured.every(isFound) ? 0 : 1
  })
  if (json) console.log(JSON.stringify({ faults: measured }))
  else if (measured.length > 0)
    console.log(table([['FAULT', 'ALERT', 'FIRES AFTER', 'ENDS AFTER', 'OTHERS'], ...measured.map(lineOf)]))
  // kafkajs may keep a reconnecting socket alive.
  process.exit()
}

/** By promtool; ends the process. */
async function testRules(promtool: string, signal: AbortSignal): Promise<never> {
  const path = (name: string) => `deploy/prometheus/rules/${name}`
  for (const args of [
    ['check', 'rules', path('weir.yml')],
    ['test', 'rules', path('weir_test.yml')],
    ['test', 'rules', path('weir_weeks_test.yml')],
  ]) {
    say(`promtool ${args.join(' ')}`)
    await runProgram(promtool, args, { signal, onLine: say })
  }
  process.exit()
}

function seconds(value: number | null): string {
  return value === null ? 'never' : `${value.toFixed(1)} s`
}

function lineOf({ fault, alert, seconds_to_fire, seconds_to_stop, others }: Measured): string[] {
  return [fault, alert, seconds(seconds_to_fire), seconds(seconds_to_stop), others.join(', ')]
}

function say(line: string): void {
  console.error(line)
}

import { Command, InvalidArgumentError } from 'commander'
import { createRandom } from '../../pipeline/produce/random.ts'
import { endWithReader } from '../../schemas/end-with-reader.ts'
import { onStopSignal } from '../../schemas/stop-signals.ts'
import { runControls } from './controls.ts'
import { asJson, renderTable, renderTotals } from './report.ts'
import { runScenario } from './run-scenario.ts'
import type { Result, Scenario } from './scenario.ts'
import { scenarios } from './scenarios.ts'
import { type FaultServers, withFaultServers } from './servers.ts'

/** `npm run test:faults`: the promise of exactly once, shown by breaking things. See README.md. */

interface Options {
  quick?: boolean
  full?: boolean
  only?: string[]
  seed: number
  minutes: number
  controls?: true
  json?: true
  list?: true
}

const command = new Command('npm run test:faults --')
  .description(
    'Breaks real processes and servers under traffic, and checks that nothing is lost, doubled or decided otherwise. ' +
      'It starts servers of its own. Without --quick or --full: each scenario once.',
  )
  .option('--quick', 'only the scenarios that `npm test` runs, in their short form')
  .option('--full', "the scenarios in the seed's order, again and again, until --minutes are over")
  .option('--only <ids>', 'these scenarios, e.g. F1,F7', list)
  .option(
    '--seed <n>',
    'what chance begins with; printed, to repeat a run',
    number,
    Math.floor(Math.random() * 1e6),
  )
  .option('--minutes <n>', 'the budget of --full; from 40 on each scenario is run at least once', number, 40)
  .option(
    '--controls',
    'run the controls instead: builds that are broken on purpose, each of which must be found out',
  )
  .option('--json', 'print one JSON object on stdout; progress stays on stderr')
  .option('--list', 'list the scenarios')
  .action(main)

await command.parseAsync()

async function main(options: Options): Promise<void> {
  endWithReader()
  if (options.list) {
    for (const { id, title, quick } of scenarios)
      console.log(`${id.padEnd(4)}${quick ? 'quick ' : '      '}${title}`)
    return
  }
  const chosen = choose(options)
  const end = new AbortController()
  onStopSignal(
    (signal) => {
      progress(`${signal}: stopping after this scenario; once more to stop at once`)
      end.abort()
    },
    () => process.exit(130),
  )
  progress(`seed ${options.seed}`)
  process.exitCode = await withFaultServers(end.signal, progress, async (servers) => {
    if (options.controls) {
      const results = await runControls({ ...options, servers, progress, signal: end.signal })
      if (options.json) console.log(JSON.stringify({ controls: results }))
      for (const { control, scenario, red, line } of options.json ? [] : results)
        console.log(`${red ? 'red   ' : 'MISSED'} ${scenario} ${control}\n         ${line}`)
      // A run of none has shown nothing.
      return results.length > 0 && results.every(({ red }) => red) && !end.signal.aborted ? 0 : 1
    }
    const results = await runAll(chosen, options, servers, end.signal)
    console.log(options.json ? JSON.stringify(asJson(results, options.seed)) : renderTotals(results))
    // A run that held nothing has shown nothing.
    const held = results.some((r) => r.outcome === 'held') && !results.some((r) => r.outcome === 'broken')
    return held && !end.signal.aborted ? 0 : 1
  })
  // kafkajs may keep a reconnecting socket alive.
  process.exit()
}

function choose({ only, quick }: Options): Scenario[] {
  const unknown = only?.filter((id) => !scenarios.some((s) => s.id === id)) ?? []
  if (unknown.length > 0) command.error(`no scenario ${unknown.join(', ')}; --list shows them`)
  return scenarios.filter((s) => (only ? only.includes(s.id) : !quick || s.quick))
}

async function runAll(
  chosen: Scenario[],
  { full, quick = false, seed, minutes, json }: Options,
  servers: FaultServers,
  signal: AbortSignal,
): Promise<Result[]> {
  const random = createRandom(seed)
  const until = performance.now() + minutes * 60_000
  const mustAll = !full || minutes >= 40
  const results: Result[] = []
  for (let round = 0; ; round++) {
    const order = full ? shuffled(chosen, random.unit) : chosen
    for (const scenario of order) {
      const isOver = full && performance.now() > until && !(round === 0 && mustAll)
      if (signal.aborted || isOver) return results
      progress(`${scenario.id} ${scenario.title} ...`)
      const result = await runScenario(scenario, { servers, quick, full, seed: seed + round, progress })
      results.push(result)
      if (!json) console.log(renderTable([result]))
      else progress(renderTable([result]))
    }
    if (!full) return results
  }
}

function shuffled<T>(items: T[], random: () => number): T[] {
  const order = items.map((item) => ({ item, at: random() }))
  return order.sort((a, b) => a.at - b.at).map(({ item }) => item)
}

function progress(line: string): void {
  console.error(line)
}

function list(text: string): string[] {
  return text.split(',').map((id) => id.trim().toUpperCase())
}

function number(text: string): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 0) throw new InvalidArgumentError('expected a whole number')
  return value
}

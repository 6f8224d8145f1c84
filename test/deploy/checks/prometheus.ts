import { existsSync, globSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { createMetrics } from '../../../pipeline/metrics.ts'
import { ruleFile, rulesOf, withoutDiscovery } from '../../support/watching.ts'
import { debianPrograms } from '../../tools/debian.ts'
import { testApp } from '../../unit/api-app.ts'
import { type Check, type Context, counted, type Finding, LeftOut, output } from '../check.ts'

/** Prometheus' and Alertmanager's configuration, rules and the rules' tests, and the form of the metrics themselves. */

const PROMETHEUS = 'deploy/prometheus'
const ALERTMANAGER = 'deploy/alertmanager/alertmanager.yml'

async function program<N extends string>(context: Context, packageName: string, name: N): Promise<string> {
  try {
    return (await debianPrograms(packageName, [name], context))[name]
  } catch (error) {
    throw new LeftOut((error as Error).message)
  }
}

const promtool = (context: Context): Promise<string> => program(context, 'prometheus', 'promtool')

/** Each line that a failed run printed is one finding. */
async function findingsOf(context: Context, tool: string, args: string[], where: string): Promise<Finding[]> {
  const { code, out, errors } = await output(tool, args, { ...context, allowed: [0, 1, 2, 3] })
  if (code === 0) return []
  const message = `${out}${errors}`.trim().slice(-2000)
  return [{ rule: args.slice(0, 2).join(' '), severity: 'high', where, message }]
}

export const prometheus: Check = async (context) => {
  if (!existsSync(PROMETHEUS)) throw new LeftOut(`there is no ${PROMETHEUS}`)
  const tool = await promtool(context)
  const tests = globSync(`${PROMETHEUS}/rules/*_test.yml`)
  const rules = globSync(`${PROMETHEUS}/rules/*.yml`).filter((file) => !tests.includes(file))
  const findings: Finding[] = []
  for (const file of rules)
    findings.push(...(await findingsOf(context, tool, ['check', 'rules', '--lint-fatal', file], file)))
  for (const file of tests) findings.push(...(await findingsOf(context, tool, ['test', 'rules', file], file)))
  // Certificates and passwords that it names are on the target's disk only.
  const configs = globSync(`${PROMETHEUS}/*.yml`)
  for (const config of configs) {
    const file = join(context.directory, basename(config))
    await writeFile(file, withoutDiscovery(await readFile(config, 'utf8')))
    findings.push(...(await findingsOf(context, tool, ['check', 'config', '--syntax-only', file], config)))
  }
  return {
    at: `${counted(rules.length, 'file')} of rules, ${counted(tests.length, 'file')} of tests, ${counted(configs.length, 'configuration')}`,
    findings,
  }
}

/** Whom an alert is told to, by its labels. */
const RECEIVERS: Record<string, string> = {
  'severity=critical team=operations': 'pagerduty,slack-operations',
  'severity=critical team=fraud': 'pagerduty,slack-fraud',
  'severity=warning team=operations': 'slack-operations',
  'severity=warning team=fraud': 'slack-fraud',
  'severity=info team=operations': 'mail-operations',
}

export const alertmanager: Check = async (context) => {
  if (!existsSync(ALERTMANAGER)) throw new LeftOut(`there is no ${ALERTMANAGER}`)
  const tool = await program(context, 'prometheus-alertmanager', 'amtool')
  const findings = await findingsOf(context, tool, ['check-config', ALERTMANAGER], ALERTMANAGER)
  const used = new Set(
    rulesOf(ruleFile()).flatMap(({ labels }) =>
      labels === undefined ? [] : `severity=${labels.severity} team=${labels.team}`,
    ),
  )
  for (const labels of used) {
    const receivers = RECEIVERS[labels]
    if (receivers === undefined)
      findings.push({
        rule: 'route',
        severity: 'high',
        where: labels,
        message: 'nobody has said whom it is for',
      })
    else {
      const verify = [
        `--config.file=${ALERTMANAGER}`,
        `--verify.receivers=${receivers}`,
        ...labels.split(' '),
      ]
      findings.push(...(await findingsOf(context, tool, ['config', 'routes', 'test', ...verify], labels)))
    }
  }
  return { at: `1 configuration, ${counted(used.size, 'route')}`, findings }
}

export const metrics: Check = async (context) => {
  const tool = await promtool(context)
  const { call, pool } = testApp()
  const texts = {
    api: await (await call('GET', '/metrics')).text(),
    pipeline: await createMetrics().registry.metrics(),
  }
  await pool.end()
  const findings: Finding[] = []
  for (const [where, text] of Object.entries(texts)) {
    const file = join(context.directory, `${where}.txt`)
    await writeFile(file, text)
    // It reads its input only.
    const { out, errors } = await output('sh', ['-c', 'exec "$1" check metrics < "$2"', 'sh', tool, file], {
      ...context,
      allowed: [0, 1, 3],
    })
    // Those of Node and the process have names that the client library chose.
    for (const line of `${out}${errors}`.split('\n').filter((each) => each.startsWith('weir_')))
      findings.push({ rule: 'check metrics', severity: 'high', where, message: line })
    if (errors.includes('error while linting')) throw new Error(errors)
  }
  return { at: 'the API’s and the pipeline’s', findings }
}

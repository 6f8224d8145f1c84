import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { parse } from 'yaml'
import { dashboardFiles } from '../../deploy/grafana/files.ts'
import { fraud } from '../../deploy/grafana/fraud.ts'
import { operators } from '../../deploy/grafana/operators.ts'
import {
  alertmanager,
  alertNames,
  documentedMetrics,
  metricsIn,
  recordedIn,
  ruleFile,
  rulesOf,
  runbook,
} from '../support/watching.ts'

const documented = documentedMetrics()
const rules = rulesOf(ruleFile())
const recorded = new Set(rules.flatMap(({ record }) => record ?? []))

/** Fails for each metric or recorded series of a text that there is not. */
function assertKnown(text: string, where: string): void {
  for (const name of metricsIn(text, documented))
    assert.ok(documented.has(name), `${where}: ${name} is not in deploy/metrics.md`)
  for (const name of recordedIn(text)) assert.ok(recorded.has(name), `${where}: no rule records ${name}`)
}

test('the table of metrics is read', () => {
  assert.ok(documented.size > 50, String(documented.size))
  assert.deepEqual(documented.get('weir_http_requests_total')!.labels, ['method', 'route', 'status'])
})

test('rules name metrics and series that there are', () => {
  for (const { alert, record, expr, annotations } of rules) {
    assertKnown(expr, alert ?? record!)
    assertKnown(Object.values(annotations ?? {}).join(' '), alert ?? record!)
  }
})

test('every alert has a severity, a team, words with what was measured, and an entry in the runbook', () => {
  const headings = new Set([...runbook().matchAll(/^### (\w+)$/gm)].map(([, name]) => name))
  for (const { alert, expr, labels, annotations } of rules) {
    if (alert === undefined) continue
    assert.match(labels!.severity, /^(critical|warning|info)$/, alert)
    assert.match(labels!.team, /^(operations|fraud)$/, alert)
    assert.ok(annotations!.summary.length > 10, alert)
    assert.equal(annotations!.runbook_url, `deploy/runbook.md#${alert.toLowerCase()}`)
    assert.ok(headings.has(alert), `${alert} has no entry in deploy/runbook.md`)
    // Those that say that something is not there at all have no number.
    if (!['WeirApiDown', 'WeirDetectionDown'].includes(alert) && !expr.startsWith('absent('))
      assert.match(annotations!.description, /\{\{.*(\$value|\$labels|query).*\}\}/s, alert)
  }
  for (const heading of headings)
    assert.ok(alertNames().includes(heading), `the runbook has ${heading}, which is no alert`)
})

test('each entry of the runbook says what it means, how to look, what to do and when it is over', () => {
  const entries = runbook().split(/^### /m).slice(1)
  assert.equal(entries.length, alertNames().length)
  for (const entry of entries) {
    for (const part of [/\*\*Means\*\*/, /\*\*Look/, /\*\*(Do|Look and do)\*\*/, /\*\*Over\*\*/])
      assert.match(entry, part, entry.slice(0, 40))
  }
  for (const step of ['Detect', 'Triage', 'Contain', 'Eradicate', 'Recover', 'Post-mortem'])
    assert.ok(runbook().includes(`**${step}`), step)
  assertKnown(runbook(), 'the runbook')
})

test('each alert is tested: firing, silent, and with nothing known', () => {
  const texts = ['weir_test.yml', 'weir_weeks_test.yml'].map((name) =>
    readFileSync(new URL(`../../deploy/prometheus/rules/${name}`, import.meta.url), 'utf8'),
  )
  const cases = texts.flatMap((text) => parse(text).tests) as {
    name: string
    promql_expr_test?: { expr: string; exp_samples?: { labels: string }[] }[]
  }[]
  const fired = new Set<string>()
  const silent = new Set<string>()
  for (const { name, promql_expr_test = [] } of cases) {
    const [, alert] = /^(Weir\w+)/.exec(name) ?? []
    for (const { exp_samples = [] } of promql_expr_test) {
      for (const { labels } of exp_samples)
        for (const [, at] of labels.matchAll(/alertname="(\w+)"/g)) fired.add(at)
      if (exp_samples.length === 0 && alert !== undefined) silent.add(alert)
    }
  }
  for (const alert of alertNames()) {
    assert.ok(fired.has(alert), `${alert} is never seen firing`)
    assert.ok(silent.has(alert), `${alert} is never seen silent`)
  }
  assert.ok(
    cases.some(({ name }) => name.startsWith('a new installation')),
    'a new installation',
  )
})

test('Prometheus of Compose and of Kubernetes has the jobs that the rules name', () => {
  const exprs = rules.map(({ expr }) => expr).join('\n')
  const named = new Set([...exprs.matchAll(/\bjob=~?"([^"]+)"/g)].map(([, pattern]) => pattern))
  assert.ok(named.size >= 3, [...named].join())
  for (const name of ['prometheus.yml', 'kubernetes.yml']) {
    const file = new URL(`../../deploy/prometheus/${name}`, import.meta.url)
    const { rule_files, scrape_configs } = parse(readFileSync(file, 'utf8'))
    assert.deepEqual(rule_files, ['rules/weir.yml'], name)
    const jobs: string[] = scrape_configs.map(({ job_name }: { job_name: string }) => job_name)
    for (const pattern of named)
      assert.ok(
        jobs.some((job) => new RegExp(`^(${pattern})$`).test(job)),
        `${name}: no job ${pattern}`,
      )
    // What Weir does not tell by itself.
    const foreign = new Set(exprs.match(/\bkube_\w+/g))
    assert.ok(foreign.size > 0)
    for (const metric of foreign)
      assert.equal(
        readFileSync(file, 'utf8').includes(`regex: ${metric};`),
        name === 'kubernetes.yml',
        metric,
      )
  }
})

test('Alertmanager names alerts that there are, and secrets by file only', () => {
  const text = alertmanager()
  for (const [name] of text.matchAll(/\bWeir[A-Z]\w+/g)) assert.ok(alertNames().includes(name), name)
  const { receivers, route } = parse(text)
  const names = receivers.map(({ name }: { name: string }) => name)
  for (const { receiver } of [route, ...route.routes]) assert.ok(names.includes(receiver), receiver)
  assert.doesNotMatch(
    text,
    /\b(api_url|routing_key|service_key|auth_password|slack_api_url|smtp_auth_password):/,
  )
})

test('the dashboards are what the code says, and name metrics that there are', () => {
  for (const [name, text] of dashboardFiles()) {
    const file = new URL(`../../deploy/grafana/dashboards/${name}`, import.meta.url)
    assert.equal(readFileSync(file, 'utf8'), text, `${name}: npm run dashboards`)
  }
  for (const { title, sections } of [operators, fraud]) {
    for (const panel of sections.flatMap(({ panels }) => panels)) {
      const where = `${title}, ${panel.title}`
      assert.ok(panel.description.length > 20, where)
      assert.ok(panel.unit.length > 0, where)
      for (const { expr } of panel.queries) assertKnown(expr, where)
      for (const [alert] of panel.description.matchAll(/\bWeir[A-Z]\w+/g))
        assert.ok(alertNames().includes(alert), `${where}: ${alert}`)
    }
  }
})

test('every metric is looked at: by a rule or on a dashboard', () => {
  const expressions = [
    ...rules.map(({ expr }) => expr),
    ...[operators, fraud].flatMap(({ sections }) =>
      sections.flatMap(({ panels }) => panels.flatMap(({ queries }) => queries.map(({ expr }) => expr))),
    ),
  ]
  const seen = metricsIn(expressions.join('\n'), documented)
  const unseen = [...documented.keys()].filter((name) => !seen.has(name))
  assert.deepEqual(unseen, [])
})

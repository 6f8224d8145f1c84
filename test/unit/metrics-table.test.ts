import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Registry } from 'prom-client'
import { createMetrics, nameDeciders } from '../../pipeline/metrics.ts'
import { loadRules } from '../../pipeline/rules/rules.ts'
import { observeCertificates } from '../../schemas/certificates.ts'
import { documentedMetrics, familiesOf } from '../support/watching.ts'
import { testApp } from './api-app.ts'

/** Names and types alone, without servers; test/integration/metrics.test.ts has labels and values, too. */
async function assertDocumented(registry: Registry, by: 'pipeline' | 'API'): Promise<string> {
  observeCertificates(registry, {})
  const page = await registry.metrics()
  const served = [...familiesOf(page)]
    .filter(([name]) => name.startsWith('weir_'))
    .map(([name, { type }]) => `${name} ${type}`)
  const documented = [...documentedMetrics().values()].filter((metric) => metric.by.includes(by))
  assert.deepEqual(served.sort(), documented.map(({ name, type }) => `${name} ${type}`).sort())
  return page
}

test("the pipeline's metrics are those of deploy/metrics.md, and begin at 0", async () => {
  const metrics = createMetrics()
  nameDeciders(metrics, { rules: loadRules(), model: { version: 'model-1' }, threshold: 0.79 })
  const page = await assertDocumented(metrics.registry, 'pipeline')
  assert.match(page, /^weir_anomalies_total\{reason="HIGH_AMOUNT",severity="high"\} 0$/m)
  assert.match(page, /^weir_anomalies_total\{reason="MODEL",severity="low"\} 0$/m)
  assert.doesNotMatch(page, /reason="KNOWN_FRAUD",/, 'a rule below the threshold is no reason')
  assert.match(page, /^weir_waiting_for_server\{server="kafka"\} 0$/m)
  assert.match(page, /^weir_model_info\{version="model-1"\} 1$/m)
})

test("the API's metrics are those of deploy/metrics.md; what is not known yet is absent, failures begin at 0", async () => {
  const registry = new Registry()
  testApp({ deps: { registry } })
  const page = await assertDocumented(registry, 'API')
  for (const name of ['weir_database_up', 'weir_audit_findings', 'weir_audit_verified_timestamp_seconds'])
    assert.doesNotMatch(page, new RegExp(`^${name} `, 'm'))
  assert.match(
    page,
    /^weir_http_requests_total\{method="PUT",route="\/api\/v1\/anomalies\/:transaction_id",status="500"\} 0$/m,
  )
  assert.doesNotMatch(page, /method="ALL"/)
})

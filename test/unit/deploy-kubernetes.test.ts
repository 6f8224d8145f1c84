import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { parseAllDocuments } from 'yaml'

/** What no linter of manifests asks for. Schemas, users, rights and limits are looked at by `npm run check:deploy`. */

interface Manifest {
  kind: string
  metadata: { name: string; labels?: Record<string, string> }
  // biome-ignore lint/suspicious/noExplicitAny: each kind has a form of its own
  spec: any
}

const read = (pattern: string): Manifest[] =>
  globSync(pattern).flatMap((file) =>
    parseAllDocuments(readFileSync(file, 'utf8')).map((document): Manifest => document.toJS()),
  )
const base = read('deploy/kubernetes/base/*.yaml')
const all = [...base, ...read('deploy/kubernetes/{overlays/*,site}/*.yaml')]
const kind = (name: string, manifests = all): Manifest[] => manifests.filter((each) => each.kind === name)

const workloads = ['Deployment', 'Job', 'CronJob']
  .flatMap((name) => kind(name))
  .map(({ metadata: { name }, spec }) => ({ name, template: (spec.jobTemplate?.spec ?? spec).template }))
const COMPONENT = 'app.kubernetes.io/component'
/** @returns the components that it selects; undefined when it selects all of them */
function componentsOf({ matchLabels = {}, matchExpressions = [] }: Manifest['spec']): string[] | undefined {
  const named = [matchLabels[COMPONENT] ?? []].flat()
  const list = [...named, ...matchExpressions.flatMap(({ values }: { values: string[] }) => values)]
  return list.length === 0 ? undefined : list
}

test('nothing may come in or go out that no policy names', () => {
  const policies = kind('NetworkPolicy', base)
  const shut = policies.find(({ metadata }) => metadata.name === 'default-deny')
  assert.deepEqual(shut?.spec, { podSelector: {}, policyTypes: ['Ingress', 'Egress'] })
})

test('policies select workloads that there are, and open one port at a time to somebody who is named', () => {
  const components = new Set(workloads.map(({ template }) => template.metadata.labels[COMPONENT]))
  /** By component, port and the label of the namespaces that may. */
  const opened = new Set<string>()
  for (const { metadata, spec } of kind('NetworkPolicy')) {
    for (const component of componentsOf(spec.podSelector) ?? [])
      assert.ok(components.has(component), `${metadata.name}: nothing is ${component}`)
    for (const { from, to, ports } of [...(spec.ingress ?? []), ...(spec.egress ?? [])]) {
      assert.ok((from ?? to)?.length > 0, `${metadata.name}: from or to anybody`)
      assert.ok(ports?.length > 0, `${metadata.name}: any port`)
    }
    for (const component of componentsOf(spec.podSelector) ?? [])
      for (const { from, ports } of spec.ingress ?? [])
        for (const { namespaceSelector } of from)
          for (const { port } of ports)
            opened.add(`${component} ${port} ${Object.keys(namespaceSelector.matchLabels)}`)
  }
  const listening = workloads.flatMap(({ template }) =>
    template.spec.containers.flatMap(({ ports = [] }: { ports?: { containerPort: number }[] }) =>
      ports.map(({ containerPort }) => `${template.metadata.labels[COMPONENT]} ${containerPort}`),
    ),
  )
  assert.equal(listening.length, 2)
  for (const port of listening) assert.ok(opened.has(`${port} weir-metrics`), `${port} for Prometheus`)
  assert.ok(opened.has('api 8000 weir-clients'), 'the API for clients')
})

test('each workload reaches PostgreSQL', () => {
  const used = workloads.map(({ template }) => template.metadata.labels[COMPONENT])
  const policies = kind('NetworkPolicy').filter(({ metadata }) => metadata.name === 'weir-to-postgres')
  assert.equal(policies.length, 1)
  for (const { spec } of policies) assert.deepEqual(new Set(componentsOf(spec.podSelector)), new Set(used))
})

test('what goes on running is asked how it is, on a port that it has', () => {
  const deployments = kind('Deployment', base)
  assert.equal(deployments.length, 2)
  for (const { metadata, spec } of deployments)
    for (const container of spec.template.spec.containers) {
      const named = container.ports.map(({ name }: { name: string }) => name)
      for (const [probe, path] of [
        ['startupProbe', '/health/live'],
        // Not what other servers do: a restart does not mend those.
        ['livenessProbe', '/health/live'],
        ['readinessProbe', '/health/ready'],
      ]) {
        const asked = container[probe]?.httpGet
        assert.equal(asked?.path, path, `${metadata.name}: ${probe}`)
        assert.ok(named.includes(asked.port), `${metadata.name}: ${probe} asks ${asked.port}`)
      }
    }
})

test('no workload has a token of the cluster, and no pod may be started that could do more', () => {
  assert.ok(workloads.length >= 5)
  for (const { name, template } of workloads)
    assert.equal(template.spec.automountServiceAccountToken, false, name)
  const [{ metadata }] = kind('Namespace')
  assert.equal(metadata.labels?.['pod-security.kubernetes.io/enforce'], 'restricted')
})

test('in production each Deployment has processes that work is never taken from all at once', () => {
  const production = read('deploy/kubernetes/overlays/production/*.yaml')
  for (const { metadata } of kind('Deployment', base)) {
    const { name } = metadata
    const scaler = kind('HorizontalPodAutoscaler', production).find((each) => each.metadata.name === name)
    assert.equal(scaler?.spec.scaleTargetRef.name, name)
    assert.ok(scaler.spec.minReplicas >= 2, name)
    const budget = kind('PodDisruptionBudget', production).find((each) => each.metadata.name === name)
    assert.equal(budget?.spec.maxUnavailable, 1, name)
    assert.deepEqual(componentsOf(budget.spec.selector), [name])
  }
})

import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { parse, parseAllDocuments } from 'yaml'

/** What keeps a container that was broken into from reaching further, in each service of Compose and each pod of Kubernetes. */

interface Service {
  image: string
  user?: string
  read_only?: boolean
  cap_drop?: string[]
  cap_add?: string[]
  privileged?: boolean
  security_opt?: string[]
  logging?: { options: Record<string, string> }
  healthcheck?: { disable?: boolean; test?: string[] }
  restart?: string
  networks?: string[]
  secrets?: (string | { source: string })[]
  network_mode?: string
  volumes?: string[]
  deploy?: { resources?: { limits?: Record<string, unknown>; reservations?: Record<string, unknown> } }
}

const { services, networks } = parse(readFileSync('deploy/compose/compose.yaml', 'utf8'), {
  merge: true,
  maxAliasCount: -1,
}) as { services: Record<string, Service>; networks: Record<string, { internal?: boolean }> }

describe('each Compose service', () => {
  for (const [name, service] of Object.entries(services)) {
    test(`${name} has a user without rights, files that it cannot change, and bounds`, () => {
      assert.match(service.user ?? '', /^[1-9]\d*:\d+$/, 'a number, which is not root’s')
      assert.equal(service.read_only, true)
      assert.deepEqual(service.cap_drop, ['ALL'])
      assert.deepEqual(service.security_opt, ['no-new-privileges:true'])
      for (const given of ['cap_add', 'privileged', 'network_mode'] as const)
        assert.equal(service[given], undefined, given)
      assert.ok(!JSON.stringify(service.volumes ?? []).includes('docker.sock'))
      assert.deepEqual(service.logging?.options, { 'max-size': '10m', 'max-file': '3' })
      const { limits, reservations } = service.deploy?.resources ?? {}
      assert.deepEqual(Object.keys(limits ?? {}).sort(), ['cpus', 'memory', 'pids'])
      assert.deepEqual(Object.keys(reservations ?? {}).sort(), ['cpus', 'memory'])
      // What runs to its end, or serves nobody, has none.
      assert.equal(service.healthcheck?.test !== undefined, service.restart === 'unless-stopped')
    })
  }
})

test('of Compose’s networks one leads out for calls and one for alerts, and what holds data is in neither', () => {
  const outward = Object.keys(networks).filter((name) => networks[name].internal !== true)
  assert.deepEqual(outward.sort(), ['edge', 'monitoring'])
  const within = (network: string) =>
    Object.keys(services).filter((name) => services[name].networks?.includes(network))
  assert.deepEqual(within('edge'), ['nginx'])
  assert.deepEqual(within('monitoring').sort(), ['alertmanager', 'grafana', 'prometheus'])
  assert.deepEqual(within('frontend').sort(), ['api', 'nginx'])
  for (const { networks: its } of Object.values(services)) assert.ok((its ?? []).length > 0)
})

test('one service of Compose logs in as PostgreSQL’s superuser, and each other one as a role of its own', () => {
  const holders = (secret: string) =>
    Object.keys(services).filter((name) =>
      services[name].secrets?.some(
        (each) => each === secret || (each as { source: string }).source === secret,
      ),
    )
  assert.deepEqual(holders('postgres_url'), ['roles'])
  assert.deepEqual(holders('postgres'), ['postgres'])
  assert.deepEqual(holders('fraud_owner_url'), ['migrate'])
  assert.deepEqual(holders('fraud_api_url'), ['api'])
  assert.deepEqual(holders('fraud_detector_url'), ['pipeline'])
  assert.deepEqual(holders('fraud_backup_url'), ['backup-create'])
  assert.deepEqual(holders('fraud_operator_url').sort(), ['audit-anchor', 'audit-verify', 'operator'])
})

interface Container {
  name: string
  env?: { name: string; value?: string; valueFrom?: unknown }[]
  envFrom?: { configMapRef?: object; secretRef?: object }[]
  securityContext?: object
  resources?: { requests?: object; limits?: object }
  volumeMounts?: { name: string; readOnly?: boolean }[]
}

interface PodSpec {
  hostNetwork?: boolean
  hostPID?: boolean
  securityContext?: object
  containers: Container[]
  volumes?: ({ name: string; hostPath?: object } & Record<string, object | string>)[]
}

interface Manifest {
  kind: string
  metadata: { name: string; labels?: Record<string, string> }
  // biome-ignore lint/suspicious/noExplicitAny: each kind has its own
  spec?: any
}

const manifests: Manifest[] = globSync('deploy/kubernetes/{base,site,overlays/production}/*.yaml').flatMap(
  (file) => parseAllDocuments(readFileSync(file, 'utf8')).map((document) => document.toJS()),
)
const podOf = ({ kind, spec }: Manifest): PodSpec | undefined =>
  kind === 'CronJob' ? spec.jobTemplate.spec.template.spec : spec?.template?.spec

describe('each pod of Kubernetes', () => {
  const pods = manifests.flatMap((manifest) => {
    const pod = podOf(manifest)
    return pod === undefined ? [] : [[manifest, pod] as const]
  })
  test('is looked at', () => assert.equal(pods.length, 6))

  for (const [{ metadata }, pod] of pods) {
    test(`${metadata.name} is no root, and changes no files`, () => {
      assert.deepEqual([pod.hostNetwork, pod.hostPID], [undefined, undefined])
      assert.deepEqual(pod.securityContext, {
        runAsNonRoot: true,
        runAsUser: 10001,
        runAsGroup: 10001,
        fsGroup: 10001,
        seccompProfile: { type: 'RuntimeDefault' },
      })
      for (const volume of pod.volumes ?? []) assert.equal(volume.hostPath, undefined, volume.name)
      for (const container of pod.containers) {
        assert.deepEqual(container.securityContext, {
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
          capabilities: { drop: ['ALL'] },
        })
        const { requests, limits } = container.resources ?? {}
        for (const bounds of [requests, limits])
          assert.deepEqual(Object.keys(bounds ?? {}).sort(), ['cpu', 'ephemeral-storage', 'memory'])
        // Secrets are files that are mounted, never in the environment.
        for (const from of container.envFrom ?? []) assert.equal(from.secretRef, undefined)
        for (const { name, valueFrom } of container.env ?? []) assert.equal(valueFrom, undefined, name)
        const writable = (container.volumeMounts ?? []).filter(({ readOnly }) => !readOnly)
        for (const { name } of writable) assert.match(name, /^(tmp|anchors|backups)$/)
      }
    })
  }
})

test('no NetworkPolicy is for all addresses, and the pipeline alone reaches Kafka', () => {
  const policies = manifests.filter(({ kind }) => kind === 'NetworkPolicy')
  assert.ok(policies.length > 4)
  for (const { metadata, spec } of policies)
    assert.doesNotMatch(JSON.stringify(spec), /0\.0\.0\.0\/0|::\/0/, metadata.name)
  const reachKafka = policies.filter(({ spec }) =>
    (spec.egress ?? []).some(({ ports }: { ports: { port: number }[] }) =>
      ports.some(({ port }) => port === 9093),
    ),
  )
  assert.deepEqual(
    reachKafka.map(({ spec }) => spec.podSelector.matchLabels),
    [{ 'app.kubernetes.io/component': 'pipeline' }],
  )
})

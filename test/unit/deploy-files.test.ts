import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import {
  chmodSync,
  closeSync,
  globSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { parse, parseAllDocuments } from 'yaml'
import { ALIASES, shape } from '../../schemas/settings.ts'
import { commandFiles } from '../support/command-files.ts'
import { documentedMetrics, metricsIn } from '../support/watching.ts'

interface Service {
  image?: string
  command?: string[]
  environment?: Record<string, string>
  secrets?: (string | { source: string })[]
  ports?: (string | { host_ip?: string; published: string })[]
}

interface Compose {
  services: Record<string, Service>
  secrets: Record<string, { file: string }>
}

const OPTIONS = { merge: true, maxAliasCount: -1, logLevel: 'error' } as const
const read = (file: string): Compose => parse(readFileSync(file, 'utf8'), OPTIONS)
const compose = read('deploy/compose/compose.yaml')
const overrides = ['dev', 'external'].map((name) => read(`deploy/compose/compose.${name}.yaml`))

const MANIFESTS = globSync('deploy/kubernetes/{base,site,overlays/*}/*.yaml')

/** Secrets that a text reads from /run/secrets. */
const readBy = (text: string): string[] =>
  [...text.matchAll(/(?:DOCKER-SECRET:|\/run\/secrets\/)([A-Za-z0-9_]+)/g)].map(([, name]) => name)

const KNOWN = new Set<string>([...Object.keys(shape), ...Object.values(ALIASES)])
const isSetting = (name: string): boolean => KNOWN.has(name) || KNOWN.has(name.replace(/_FILE$/, ''))

test('each Compose service has the secrets that it reads, and no other', () => {
  for (const [name, { command = [], environment = {}, secrets = [] }] of Object.entries(compose.services)) {
    const given = secrets.map((secret) => (typeof secret === 'string' ? secret : secret.source))
    for (const secret of given) assert.ok(secret in compose.secrets, `${name}: ${secret} is not declared`)
    const reads = readBy(JSON.stringify([command, environment]))
    for (const secret of reads) assert.ok(given.includes(secret), `${name} reads ${secret}, and has it not`)
    // The others read theirs by files of their own.
    if (!environment.DATABASE_URL_FILE || name === 'roles') continue
    reads.push('ca_crt') // by sslrootcert of the URL
    for (const secret of given)
      assert.ok(reads.includes(secret), `${name} has ${secret}, and does not read it`)
  }
})

test('Compose publishes nginx, and pages for watching on loopback', () => {
  const published = Object.entries(compose.services).flatMap(([name, { ports = [] }]) =>
    ports.map((port) => [name, port] as const),
  )
  for (const [name, port] of published)
    if (typeof port === 'string') assert.match(port, /^127\.0\.0\.1:/, name)
    else assert.match(`${name} ${port.host_ip}`, /^nginx \$\{WEIR_ADDRESS/)
  assert.equal(published.filter(([name]) => name === 'nginx').length, 2)
})

test('all images have a version', () => {
  const { images } = parse(readFileSync('deploy/kubernetes/site/kustomization.yaml', 'utf8'))
  assert.equal(images.length, 2)
  for (const { newTag, digest } of images) assert.match(String(digest ?? newTag), /\d+\.\d+/)
  for (const { image } of Object.values(compose.services)) assert.match(image!, /:[^:]*\d+\.\d+/)
  const dockerfile = readFileSync('deploy/docker/Dockerfile', 'utf8')
  for (const [, image] of dockerfile.matchAll(/^FROM (\S+)/gm)) assert.match(image, /:\d+\.\d+/)
})

const commands = commandFiles()

/** Services that run Weir: those of an override name no image. */
const weirServices = [compose, ...overrides].flatMap(({ services }) =>
  Object.entries(services).filter(
    ([, service]) => service !== null && (service.image?.includes('weir') ?? true),
  ),
)

test('what the deployments set are settings', () => {
  for (const [service, { environment = {} }] of weirServices)
    for (const name of Object.keys(environment)) assert.ok(isSetting(name), `${service}: ${name}`)
  const files = globSync('deploy/kubernetes/site/settings/*.env')
  assert.equal(files.length, 3)
  for (const file of files)
    for (const [, name] of readFileSync(file, 'utf8').matchAll(/^([A-Z_]+)=/gm))
      assert.ok(isSetting(name), `${file}: ${name}`)
  for (const file of MANIFESTS)
    for (const [, name] of readFileSync(file, 'utf8').matchAll(/- \{ name: ([A-Z_]+), value/g))
      assert.ok(isSetting(name), `${file}: ${name}`)
})

test('what the deployments run are commands', () => {
  for (const [service, { command }] of weirServices)
    if (command !== undefined && command[0] !== '--help')
      assert.ok(commands.has(command[0]), `${service}: ${command[0]}`)
  let found = 0
  for (const file of MANIFESTS)
    for (const [, name] of readFileSync(file, 'utf8').matchAll(/^ +args: \[([a-z-]+)/gm)) {
      assert.ok(commands.has(name), `${file}: ${name}`)
      found++
    }
  assert.ok(found >= 6, `${found} found`)
})

test('no install script of a package is run, in the image or by who follows the README', () => {
  for (const file of ['deploy/docker/Dockerfile', 'deploy/README.md']) {
    const installs = readFileSync(file, 'utf8').match(/npm ci\b.*/g) ?? []
    assert.ok(installs.length >= 2, file)
    for (const install of installs) assert.match(install, /^npm ci .*--ignore-scripts/, `${file}: ${install}`)
  }
})

test('the README makes each directory of this machine that Compose mounts, for the user that writes there', () => {
  const text = readFileSync('deploy/compose/compose.yaml', 'utf8')
  const directories = new Set(
    [...text.matchAll(/\$\{WEIR_STATE:-(.+?)\}(\/\w+)/g)].map(([, at, name]) => at + name),
  )
  assert.equal(directories.size, 3)
  const made = [...readFileSync('deploy/README.md', 'utf8').matchAll(/^sudo install -d -o 10001 .*$/gm)].join(
    ' ',
  )
  for (const directory of directories) assert.ok(made.split(' ').includes(directory), directory)
})

test('the line of the firewall drops what comes in, not what nginx and Alertmanager answer and ask', () => {
  const line = /^iptables .*$/m.exec(readFileSync('deploy/README.md', 'utf8'))![0]
  for (const part of ['-I DOCKER-USER', '-i EXTERNAL', '--ctdir ORIGINAL', '--ctorigdstport 443'])
    assert.ok(line.includes(` ${part} `), part)
})

test('Alertmanager keeps what it has told for longer than until it tells it again', () => {
  const hours = (time: string): number => {
    const [, number, unit] = /^(\d+)([mhd])$/.exec(time)!
    return Number(number) * { m: 1 / 60, h: 1, d: 24 }[unit]!
  }
  const { route } = parse(readFileSync('deploy/alertmanager/alertmanager.yml', 'utf8'))
  const repeats = [route, ...route.routes].flatMap(({ repeat_interval }) => repeat_interval ?? [])
  const command = compose.services.alertmanager.command!.join(' ')
  const [, retention] = /--data\.retention=(\w+)/.exec(command)!
  assert.ok(Math.max(...repeats.map(hours)) < hours(retention), `${repeats} and ${retention}`)
})

test('the README tells how to make each secret that the manifests mount', () => {
  const readme = readFileSync('deploy/README.md', 'utf8')
  for (const file of MANIFESTS)
    for (const document of parseAllDocuments(readFileSync(file, 'utf8')))
      for (const [, name] of JSON.stringify(document.toJS()).matchAll(/"secretName":"([^"]+)"/g))
        assert.match(readme, new RegExp(`create secret (generic|tls) ${name}\\b`), `${file}: ${name}`)
})

function directory(t: TestContext): string {
  const made = mkdtempSync(join(tmpdir(), 'weir-secrets-'))
  t.after(() => rmSync(made, { recursive: true, force: true }))
  return made
}

const script = (...args: string[]) => spawnSync('deploy/compose/secrets.sh', args, { encoding: 'utf8' })

/** Whether a certificate of the directory is its authority's, and for the host. */
function isFor(host: string, out: string, crt: string): boolean {
  const verify = ['verify', '-CAfile', join(out, 'ca_crt'), '-verify_hostname', host, join(out, crt)]
  return spawnSync('openssl', verify).status === 0
}

const expiryOf = (file: string): number => Date.parse(new X509Certificate(readFileSync(file)).validTo)
const daysOf = (out: string, crt: string): number => (expiryOf(join(out, crt)) - Date.now()) / 86_400_000

test('secrets.sh makes every file that Compose mounts, readable for containers and nobody else, once', (t) => {
  const out = join(directory(t), 'secrets')
  const made = script('--name', 'fraud.example.com', '--out', out)
  assert.equal(made.status, 0, made.stderr)
  assert.equal(statSync(out).mode & 0o777, 0o700)
  const files = Object.values(compose.secrets).map(({ file }) => file.replace('./secrets/', ''))
  assert.deepEqual(readdirSync(out).sort(), [...files, 'ca_key'].sort())
  for (const file of files) assert.equal(statSync(join(out, file)).mode & 0o777, 0o444, file)
  assert.equal(statSync(join(out, 'ca_key')).mode & 0o777, 0o400)
  const text = (file: string) => readFileSync(join(out, file), 'utf8')
  assert.notEqual(text('fraud_api'), text('fraud_owner'))
  for (const name of ['fraud_api', 'api_key', 'ca_key'])
    assert.ok(!(made.stdout + made.stderr).includes(text(name).trim()))
  for (const [crt, host] of [
    ['postgres_crt', 'postgres'],
    ['nginx_crt', 'fraud.example.com'],
  ])
    assert.ok(isFor(host, out, crt), crt)
  // Browsers take no more of the one; with the other's end all would stand still.
  assert.ok(daysOf(out, 'nginx_crt') <= 397)
  assert.ok(daysOf(out, 'postgres_crt') > 3600)

  const again = script('--out', out)
  assert.equal(again.status, 1)
  assert.match(again.stderr, /has something in it, which is never overwritten/)
  writeFileSync(join(out, '..', 'untouched'), '')
  assert.equal(script('--out').status, 2)
  assert.equal(script('--name', 'a b').status, 2)
  assert.deepEqual(readdirSync(join(out, '..')).sort(), ['secrets', 'untouched'])
})

test('secrets.sh makes one secret anew, or takes one, and says what has to follow; all others stay', (t) => {
  const out = join(directory(t), 'secrets')
  assert.equal(script('--name', 'fraud.example.com', '--out', out).status, 0)
  // As a container has it: the very file, whatever takes its name.
  const mounted = openSync(join(out, 'fraud_api'), 'r')
  t.after(() => closeSync(mounted))
  const all = () => new Map(readdirSync(out).map((file) => [file, readFileSync(join(out, file), 'utf8')]))
  const change = (option: string, secret: string, input = '') => {
    const before = all()
    const args = [option, secret, '--out', out]
    const { status, stdout, stderr } = spawnSync('deploy/compose/secrets.sh', args, {
      input,
      encoding: 'utf8',
    })
    const after = all()
    const changed = [...after.keys()].filter((file) => before.get(file) !== after.get(file)).sort()
    for (const file of changed) {
      assert.equal(statSync(join(out, file)).mode & 0o777, 0o444, file)
      if (!file.endsWith('_crt')) assert.ok(!(stdout + stderr).includes(after.get(file)!.trim()), file)
    }
    return { status, stderr, changed, after }
  }

  const role = change('--renew', 'fraud_api')
  assert.deepEqual([role.status, role.changed], [0, ['fraud_api', 'fraud_api.url']])
  const url = new URL(role.after.get('fraud_api.url')!.trim())
  assert.equal(url.password, role.after.get('fraud_api')!.trim())
  assert.deepEqual(
    [url.username, url.host, url.searchParams.get('sslmode')],
    ['fraud_api', 'postgres:5432', 'verify-full'],
  )
  assert.match(role.stderr, /docker compose run --rm roles$/m)
  assert.equal(readFileSync(mounted, 'utf8'), role.after.get('fraud_api'))

  const database = change('--renew', 'postgres_crt')
  assert.deepEqual([database.status, database.changed], [0, ['postgres_crt', 'postgres_key']])
  assert.ok(daysOf(out, 'postgres_crt') > 3600)

  const certificate = change('--renew', 'nginx_crt')
  assert.deepEqual([certificate.status, certificate.changed], [0, ['nginx_crt', 'nginx_key']])
  assert.ok(isFor('fraud.example.com', out, 'nginx_crt'))

  const hook = change('--set', 'slack_webhook_url', 'https://hooks.example.com/x\n')
  assert.deepEqual([hook.status, hook.changed], [0, ['slack_webhook_url']])
  assert.equal(hook.after.get('slack_webhook_url'), 'https://hooks.example.com/x\n')
  const superuser = change('--set', 'postgres', 'the-superusers-new-one\n')
  assert.deepEqual([superuser.status, superuser.changed], [0, ['postgres', 'postgres.url']])

  // A certificate of another authority is not ours to renew.
  const stranger = join(out, '..', 'stranger')
  assert.equal(script('--out', stranger).status, 0)
  const foreign = change('--set', 'nginx_crt', readFileSync(join(stranger, 'nginx_crt'), 'utf8'))
  assert.deepEqual([foreign.status, foreign.changed], [0, ['nginx_crt']])
  const refused: [option: string, secret: string, input: string, told: RegExp][] = [
    ['--renew', 'nginx_crt', '', /was not signed by ca_crt/],
    ['--renew', 'metrics_key', '', /none that can be made anew/],
    ['--set', 'postgres', 'p@ss word of 16\n', /it stands in a URL/],
    ['--set', 'metrics_key', '', /got nothing/],
    ['--set', 'nothing', 'x', /is not there/],
    ['--set', '../untouched', 'x', /expected a secret’s name/],
    ['--set', 'ca_key', 'x', /script’s own/],
  ]
  for (const [option, secret, input, told] of refused) {
    const { status, stderr, changed } = change(option, secret, input)
    assert.deepEqual([status === 0, changed], [false, []], `${option} ${secret}`)
    assert.match(stderr, told)
  }
  chmodSync(join(out, 'ca_key'), 0o600)
  rmSync(join(out, 'ca_key'))
  assert.match(change('--renew', 'postgres_crt').stderr, /ca_key is not there/)
  assert.match(script('--renew', 'api_key', '--out', join(out, 'none')).stderr, /has no secrets yet/)
})

test('secrets.sh tells Prometheus when each certificate ends: the first one of a file', (t) => {
  const out = join(directory(t), 'secrets')
  assert.equal(script('--out', out).status, 0)
  // A chain, whose second certificate ends first.
  const chain = ['ca_crt', 'nginx_crt'].map((name) => readFileSync(join(out, name), 'utf8')).join('')
  const expected = Object.fromEntries(
    ['ca_crt', 'nginx_crt', 'postgres_crt'].map((name) => [name, expiryOf(join(out, name)) / 1000]),
  )
  chmodSync(join(out, 'ca_crt'), 0o600)
  writeFileSync(join(out, 'ca_crt'), chain)
  const file = join(out, '..', 'certificates.prom')
  const told = script('--expiry', file, '--out', out)
  assert.equal(told.status, 0, told.stderr)
  assert.equal(statSync(file).mode & 0o777, 0o644)
  const text = readFileSync(file, 'utf8')
  const values = [...text.matchAll(/^(\w+)\{setting="(\w+)"\} (\d+)$/gm)]
  assert.deepEqual(Object.fromEntries(values.map(([, , setting, value]) => [setting, Number(value)])), {
    ...expected,
    ca_crt: expected.nginx_crt,
  })
  for (const name of metricsIn(text, documentedMetrics())) assert.ok(documentedMetrics().has(name), name)

  writeFileSync(join(out, 'ca_crt'), 'nothing')
  assert.equal(script('--expiry', file, '--out', out).status, 1)
  assert.equal(readFileSync(file, 'utf8'), text)
})

import assert from 'node:assert/strict'
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { createClient } from '../../schemas/database.ts'
import { connectionTo } from '../../schemas/database-url.ts'
import { createKafka } from '../../schemas/kafka.ts'
import { createLogger } from '../../schemas/log.ts'
import { SettingsError } from '../../schemas/settings-error.ts'
import { Authority, withoutOpenssl } from '../support/certificates.ts'

const URL_BEFORE = 'postgres://weir:p%40ss@db.bank.example:5433/weir'
const needs = { skip: withoutOpenssl }

test('without sslmode there is no TLS, whatever PGSSLMODE says', (t) => {
  const before = process.env.PGSSLMODE
  process.env.PGSSLMODE = 'require'
  t.after(() => {
    if (before === undefined) delete process.env.PGSSLMODE
    else process.env.PGSSLMODE = before
  })
  for (const url of [URL_BEFORE, `${URL_BEFORE}?sslmode=disable`])
    assert.equal(createClient({ connectionString: url, application_name: 'test' }).ssl, false)
})

test('require proves nothing, and what is about TLS is kept from pg', () => {
  const { ssl, connectionString, sslnegotiation } = connectionTo(
    `${URL_BEFORE}?sslmode=require&sslnegotiation=direct&options=-c%20jit%3Doff`,
  )
  assert.equal((ssl as { rejectUnauthorized?: boolean }).rejectUnauthorized, false)
  assert.equal(sslnegotiation, 'direct')
  assert.equal(connectionString, `${URL_BEFORE}?options=-c+jit%3Doff`)
})

test('verify-full leaves all checks to Node', () => {
  const { ssl } = connectionTo(`${URL_BEFORE}?sslmode=verify-full`)
  assert.deepEqual(JSON.parse(JSON.stringify(ssl)), {})
})

test('verify-ca, and require with an authority, do not look at the name', needs, (t) => {
  const { ca } = new Authority(t)
  for (const mode of ['verify-ca', 'require']) {
    const { ssl } = connectionTo(`${URL_BEFORE}?sslmode=${mode}&sslrootcert=${ca}`)
    const { checkServerIdentity, rejectUnauthorized } = ssl as unknown as Record<string, unknown>
    assert.equal((checkServerIdentity as () => undefined)(), undefined)
    assert.equal(rejectUnauthorized, undefined)
  }
})

test('a connection has the name that Weir gives it: lanes know each other by theirs', () => {
  const client = createClient({
    connectionString: `${URL_BEFORE}?application_name=mine`,
    application_name: 'weir-pipeline-1-lane-0',
  }) as unknown as { connectionParameters: { application_name: string }; password: string; host: string }
  assert.equal(client.connectionParameters.application_name, 'weir-pipeline-1-lane-0')
  assert.equal(client.password, 'p@ss')
  assert.equal(client.host, 'db.bank.example')
})

test('files that cannot be used are told by the parameter and the file', needs, (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'weir-pem-'))
  t.after(() => rmSync(directory, { recursive: true }))
  const authority = new Authority(t)
  const [one, other] = [authority.issue('one'), authority.issue('other')]
  const text = join(directory, 'text.pem')
  writeFileSync(text, 'no certificate')
  const half = join(directory, 'half.pem')
  writeFileSync(half, readFileSync(authority.ca, 'utf8').slice(0, 200))
  const garbage = join(directory, 'garbage.pem')
  writeFileSync(garbage, '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n')
  const cases: [string, RegExp][] = [
    ['sslrootcert=/nowhere/ca.pem', /DATABASE_URL \(sslrootcert\): \/nowhere\/ca\.pem is not there/],
    [`sslrootcert=${text}`, /DATABASE_URL \(sslrootcert\): .*text\.pem holds no PEM certificate/],
    [`sslrootcert=${half}`, /half\.pem holds a certificate that cannot be read: it is cut off/],
    [`sslrootcert=${garbage}`, /garbage\.pem holds a certificate that cannot be read/],
    [`sslcert=${one.cert}&sslkey=${text}`, /DATABASE_URL \(sslkey\): .*holds no PEM private key/],
    [`sslcert=${one.cert}&sslkey=${other.key}`, /are certificate and key a pair\?/],
  ]
  for (const [parameters, expected] of cases)
    assert.throws(
      () => connectionTo(`${URL_BEFORE}?sslmode=verify-full&${parameters}`),
      (error: Error) => error instanceof SettingsError && expected.test(error.message),
    )
})

test('a renewed certificate counts for the next connection; half of a pair does not', needs, (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'weir-pem-'))
  t.after(() => rmSync(directory, { recursive: true }))
  const authority = new Authority(t)
  const [one, two] = [authority.issue('one'), authority.issue('two')]
  const now = { cert: join(directory, 'now.crt'), key: join(directory, 'now.key') }
  const shown = () =>
    (
      connectionTo(`${URL_BEFORE}?sslmode=verify-full&sslcert=${now.cert}&sslkey=${now.key}`).ssl as {
        cert: string
      }
    ).cert
  copyFileSync(one.cert, now.cert)
  copyFileSync(one.key, now.key)
  const first = shown()
  copyFileSync(two.cert, now.cert)
  assert.equal(shown(), first)
  copyFileSync(two.key, now.key)
  const second = shown()
  assert.notEqual(second, first)
  rmSync(now.key)
  assert.equal(shown(), second)
})

test('a Kafka whose certificates cannot be read is refused before any connection', () => {
  const access = {
    KAFKA_BROKERS: ['127.0.0.1:1'],
    KAFKA_SECURITY_PROTOCOL: 'SSL' as const,
    KAFKA_SSL_CA_FILE: '/nowhere/ca.pem',
  }
  assert.throws(
    () => createKafka(access, 'test', createLogger('test', 'silent')),
    /KAFKA_SSL_CA_FILE: \/nowhere\/ca\.pem is not there/,
  )
})

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createClient } from '../../schemas/database.ts'
import type { Name } from '../../schemas/settings.ts'
import { faultsOf } from '../support/setting-faults.ts'

type Env = Partial<Record<Name | 'NODE_TLS_REJECT_UNAUTHORIZED', string>>

const SASL: Env = {
  KAFKA_BROKERS: 'kafka.bank.example:9093',
  KAFKA_SECURITY_PROTOCOL: 'SASL_SSL',
  KAFKA_SASL_USERNAME: 'detector',
  KAFKA_SASL_PASSWORD: 'correct horse battery staple',
}
const DATABASE = 'postgres://weir:s3@db.bank.example/weir'

const USABLE: [string, Env][] = [
  ['a broker without TLS', { KAFKA_BROKERS: 'a:9092' }],
  ['SASL_SSL with public authorities', SASL],
  ['SASL_SSL with one of its own', { ...SASL, KAFKA_SSL_CA_FILE: '/ca.pem' }],
  [
    'SSL with a certificate',
    { KAFKA_SECURITY_PROTOCOL: 'SSL', KAFKA_SSL_CERT_FILE: '/c.pem', KAFKA_SSL_KEY_FILE: '/k.pem' },
  ],
  ['a user of the registry', { SCHEMA_REGISTRY_USERNAME: 'u', SCHEMA_REGISTRY_PASSWORD: 'p' }],
  ['verify-full', { DATABASE_URL: `${DATABASE}?sslmode=verify-full&sslrootcert=/ca.pem` }],
  ['verify-full by the system', { DATABASE_URL: `${DATABASE}?sslmode=verify-full&sslrootcert=system` }],
  ['require', { DATABASE_URL: `${DATABASE}?sslmode=require` }],
  ['parameters that have nothing to do with TLS', { DATABASE_URL: `${DATABASE}?options=-c%20jit%3Doff` }],
]
for (const [what, env] of USABLE) test(`${what} can be used`, () => assert.deepEqual(faultsOf(env), []))

const FAULTY: [string, Env, RegExp][] = [
  [
    'a user without a password',
    { ...SASL, KAFKA_SASL_PASSWORD: '' },
    /^KAFKA_SASL_PASSWORD: not set, though/,
  ],
  [
    'a password without a user',
    { ...SASL, KAFKA_SASL_USERNAME: '' },
    /^KAFKA_SASL_USERNAME: not set, though/,
  ],
  ['a user that is not used', { KAFKA_SASL_USERNAME: 'u' }, /^KAFKA_SASL_USERNAME: set, though .* PLAINTEXT/],
  [
    'an authority that is not used',
    { KAFKA_SSL_CA_FILE: '/ca.pem' },
    /^KAFKA_SSL_CA_FILE: set, though .* no TLS/,
  ],
  [
    'half of a pair',
    { KAFKA_SECURITY_PROTOCOL: 'SSL', KAFKA_SSL_KEY_FILE: '/k.pem' },
    /KAFKA_SSL_CERT_FILE and KAFKA_SSL_KEY_FILE go together/,
  ],
  ['half of a login', { SCHEMA_REGISTRY_USERNAME: 'u' }, /SCHEMA_REGISTRY_PASSWORD go together/],
  [
    'two users of the registry',
    {
      SCHEMA_REGISTRY_URL: 'https://a:b@r/',
      SCHEMA_REGISTRY_USERNAME: 'u',
      SCHEMA_REGISTRY_PASSWORD: 'p',
    },
    /^SCHEMA_REGISTRY_USERNAME: the user of SCHEMA_REGISTRY_URL is another one/,
  ],
  [
    'an authority for http',
    { SCHEMA_REGISTRY_URL: 'http://r/', SCHEMA_REGISTRY_CA_FILE: '/ca.pem' },
    /^SCHEMA_REGISTRY_CA_FILE: set, though SCHEMA_REGISTRY_URL is not https/,
  ],
  ['an unknown protocol', { KAFKA_SECURITY_PROTOCOL: 'TLS' }, /^KAFKA_SECURITY_PROTOCOL: got "TLS"/],
  ['an unknown mechanism', { KAFKA_SASL_MECHANISM: 'GSSAPI' }, /^KAFKA_SASL_MECHANISM: got "GSSAPI"/],
]
for (const [what, env, expected] of FAULTY)
  test(`${what} is refused`, () => void assertOnlyFault(env, expected))

const REFUSED_PARAMETERS: [string, RegExp][] = [
  ['sslmode=prefer', /sslmode is one of disable, require, verify-ca, verify-full/],
  ['sslmode=no-verify', /sslmode is one of/],
  ['ssl=true', /ssl is not supported/],
  ['sslmode=require&channel_binding=require', /channel_binding is not supported/],
  ['sslmode=require&uselibpqcompat=true', /uselibpqcompat is not supported/],
  ['sslmode=verify-full&sslcrl=/crl.pem', /sslcrl is not supported/],
  ['sslrootcert=/ca.pem', /sslrootcert needs sslmode=verify-full/],
  ['sslmode=disable&sslrootcert=/ca.pem', /sslrootcert needs sslmode=verify-full/],
  ['sslnegotiation=direct', /sslnegotiation needs sslmode/],
  ['sslmode=verify-ca', /verify-ca needs sslrootcert/],
  ['sslmode=verify-ca&sslrootcert=system', /sslrootcert=system needs sslmode=verify-full/],
  ['sslmode=verify-full&sslcert=/c.pem', /sslcert and sslkey go together/],
  ['sslmode=verify-full&sslnegotiation=maybe', /sslnegotiation is postgres or direct/],
]
for (const [parameters, expected] of REFUSED_PARAMETERS) {
  test(`DATABASE_URL with ${parameters} is refused, and its password not told`, () => {
    const faults = assertOnlyFault({ DATABASE_URL: `postgres://weir:canary@db/weir?${parameters}` }, expected)
    assert.doesNotMatch(faults[0], /canary/)
  })
}

describe('production', () => {
  const OPEN: [string, Env, RegExp][] = [
    [
      'Kafka without TLS',
      { KAFKA_BROKERS: '127.0.0.1:9092,k:9092' },
      /^KAFKA_SECURITY_PROTOCOL: PLAINTEXT to k:9092/,
    ],
    [
      'a user of Kafka without TLS',
      { ...SASL, KAFKA_SECURITY_PROTOCOL: 'SASL_PLAINTEXT' },
      /^KAFKA_SECURITY_PROTOCOL: SASL_PLAINTEXT to kafka/,
    ],
    [
      'a registry over http',
      { SCHEMA_REGISTRY_URL: 'http://u:p9@r:8081/' },
      /^SCHEMA_REGISTRY_URL: http to r:8081/,
    ],
    ['a database without TLS', { DATABASE_URL: DATABASE }, /^DATABASE_URL: with sslmode=disable/],
    ['require', { DATABASE_URL: `${DATABASE}?sslmode=require` }, /^DATABASE_URL: with sslmode=require/],
    [
      'verify-ca',
      { DATABASE_URL: `${DATABASE}?sslmode=verify-ca&sslrootcert=/ca.pem` },
      /^DATABASE_URL: with sslmode=verify-ca/,
    ],
  ]
  for (const [what, env, expected] of OPEN) {
    test(`refuses ${what} on another machine, unless ALLOW_PLAINTEXT is set`, () => {
      const faults = assertOnlyFault({ ...env, NODE_ENV: 'production' }, expected)
      assert.match(faults[0], /ALLOW_PLAINTEXT=true/)
      assert.deepEqual(faultsOf({ ...env, NODE_ENV: 'production', ALLOW_PLAINTEXT: 'true' }), [])
      assert.deepEqual(faultsOf(env), [])
    })
  }

  test('refuses a URL without a host where PGHOST names another machine, which pg would take', (t) => {
    const before = process.env.PGHOST
    t.after(() => {
      if (before === undefined) delete process.env.PGHOST
      else process.env.PGHOST = before
    })
    const env = { NODE_ENV: 'production', DATABASE_URL: 'postgres:///weir?user=weir' }
    for (const host of ['db.bank.example', '10.0.0.7']) {
      process.env.PGHOST = host
      assert.equal(createClient({ connectionString: env.DATABASE_URL, application_name: 'test' }).host, host)
      const faults = assertOnlyFault(env, /^DATABASE_URL: with sslmode=disable another server than/)
      assert.ok(faults[0].includes(host), faults[0])
      assert.deepEqual(faultsOf({ ...env, DATABASE_URL: `${env.DATABASE_URL}&sslmode=verify-full` }), [])
    }
    for (const host of ['/var/run/postgresql', 'localhost', '']) {
      process.env.PGHOST = host
      assert.deepEqual(faultsOf(env), [], host)
    }
    // Of several hosts pg takes the last.
    const two = 'postgres:///weir?host=/var/run/postgresql&host=db.bank.example'
    assertOnlyFault({ ...env, DATABASE_URL: two }, /another server than db\.bank\.example/)
  })

  test('refuses that Node proves no certificate', () => {
    const env = { DATABASE_URL: `${DATABASE}?sslmode=verify-full`, NODE_TLS_REJECT_UNAUTHORIZED: '0' }
    assertOnlyFault({ ...env, NODE_ENV: 'production' }, /^NODE_TLS_REJECT_UNAUTHORIZED: 0 lets anybody pose/)
    assert.deepEqual(faultsOf(env), [])
    assert.deepEqual(faultsOf({ ...env, NODE_ENV: 'production', NODE_TLS_REJECT_UNAUTHORIZED: '1' }), [])
  })

  const PROVED: [string, Env][] = [
    ['SASL_SSL', SASL],
    ['brokers on loopback', { KAFKA_BROKERS: '127.0.0.1:9092,localhost:9093' }],
    ['https', { SCHEMA_REGISTRY_URL: 'https://r/' }],
    ['a registry on loopback', { SCHEMA_REGISTRY_URL: 'http://127.0.0.1:8081/' }],
    ['verify-full', { DATABASE_URL: `${DATABASE}?sslmode=verify-full` }],
    ['a database on loopback', { DATABASE_URL: 'postgres://weir:s3@[::1]:5432/weir' }],
    ['a Unix socket', { DATABASE_URL: 'postgres:///weir?host=/var/run/postgresql&user=weir' }],
    ['a Unix socket, encoded', { DATABASE_URL: 'postgres://%2Fvar%2Frun%2Fpostgresql/weir' }],
  ]
  for (const [what, env] of PROVED)
    test(`takes ${what}`, () => assert.deepEqual(faultsOf({ ...env, NODE_ENV: 'production' }), []))

  const REMOTE = '@db/weir?sslmode=verify-full'
  const WEAK: [string, Env, RegExp][] = [
    ['password', { DATABASE_URL: `postgres://fraud_api:password${REMOTE}` }, /^DATABASE_URL: the password/],
    ['Postgres', { DATABASE_URL: `postgres://fraud_api:Postgres${REMOTE}` }, /^DATABASE_URL: the password/],
    [
      'the user’s name',
      { DATABASE_URL: `postgres://fraud_api:fraud_api${REMOTE}` },
      /^DATABASE_URL: the password/,
    ],
    [
      'admin, encoded',
      { DATABASE_URL: `postgres://fraud_api:%61dmin${REMOTE}` },
      /^DATABASE_URL: the password/,
    ],
    [
      'a user of Kafka as well',
      { ...SASL, KAFKA_SASL_PASSWORD: 'detector' },
      /^KAFKA_SASL_PASSWORD: the password/,
    ],
    [
      'in the registry’s URL',
      { SCHEMA_REGISTRY_URL: 'https://weir-registry:secret@r/' },
      /^SCHEMA_REGISTRY_URL: the password/,
    ],
    [
      'an example’s',
      { ...SASL, KAFKA_SASL_PASSWORD: 'Change_me-now' },
      /^KAFKA_SASL_PASSWORD: still the value/,
    ],
  ]
  for (const [what, env, expected] of WEAK) {
    test(`refuses a password that is guessed at once: ${what}`, () => {
      assertOnlyFault({ ...env, NODE_ENV: 'production' }, expected)
      assert.deepEqual(faultsOf(env), [])
    })
  }

  test('does not take a name for an example’s value', () => {
    assert.deepEqual(faultsOf({ NODE_ENV: 'production', TRANSACTIONS_TOPIC: 'exchange-messages' }), [])
  })
})

function assertOnlyFault(env: Env, expected: RegExp): string[] {
  const faults = faultsOf(env)
  assert.equal(faults.length, 1, faults.join('\n'))
  assert.match(faults[0], expected)
  return faults
}

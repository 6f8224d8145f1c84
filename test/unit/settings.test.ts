import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { loadSettings, type SettingsError, shape } from '../../schemas/settings.ts'
import { faultsOf } from '../support/setting-faults.ts'

/** The one fault that is reported, which must match. */
function assertOnlyFault(faults: string[], expected: RegExp): void {
  assert.equal(faults.length, 1, faults.join('\n'))
  assert.match(faults[0], expected)
}

describe('settings', () => {
  test('all have a default or are optional, and cannot be changed', () => {
    const settings = loadSettings([], {})
    assert.equal(settings.NODE_ENV, 'development')
    assert.equal(settings.PORT, 8000)
    assert.equal(settings.HOST, '127.0.0.1')
    assert.equal(settings.ANOMALY_THRESHOLD, 0.7)
    assert.throws(() => Object.assign(settings, { PORT: 1 }), TypeError)
  })

  test('an empty value is the same as none', () => {
    assert.equal(loadSettings([], { PORT: '', API_KEY: '' }).PORT, 8000)
  })

  test('every fault is reported at once, with name, value and what is expected', () => {
    const env = {
      PORT: '70000',
      ANOMALY_THRESHOLD: '1.5',
      KAFKA_BROKERS: 'no-port',
      DATABASE_URL: 'mysql://x/y',
      NODE_ENV: 'prod',
      CREATE_TOPICS: 'yes',
    }
    const faults = faultsOf(env, ['SCHEMA_REGISTRY_URL'])
    assert.equal(faults.length, 7, faults.join('\n'))
    for (const expected of [
      /^PORT: got "70000"; .*65535/,
      /^ANOMALY_THRESHOLD: got "1.5"; .*1/,
      /^KAFKA_BROKERS: got "no-port"; expected host:port/,
      /^DATABASE_URL: got .*; expected a URL that starts with postgres:\/\//,
      /^NODE_ENV: got "prod"; .*production/,
      /^CREATE_TOPICS: got "yes"; .*true/,
      /^SCHEMA_REGISTRY_URL: not set; .*npm run servers/,
    ]) {
      assert.ok(
        faults.some((fault) => expected.test(fault)),
        `${expected} in\n${faults.join('\n')}`,
      )
    }
  })

  test('brokers are a list', () => {
    const { KAFKA_BROKERS } = loadSettings(['KAFKA_BROKERS'], { KAFKA_BROKERS: 'a:9092, b:9093' })
    assert.deepEqual(KAFKA_BROKERS, ['a:9092', 'b:9093'])
  })

  test('.env.example names the very settings of the schema', () => {
    const text = readFileSync(new URL('../../.env.example', import.meta.url), 'utf8')
    const listed = [...text.matchAll(/^(?:# )?([A-Z][A-Z0-9_]*)=/gm)].map((match) => match[1])
    assert.deepEqual(listed.toSorted(), Object.keys(shape).toSorted())
  })

  test('.env.example can be loaded as it stands', () => {
    const text = readFileSync(new URL('../../.env.example', import.meta.url), 'utf8')
    const env = Object.fromEntries(
      [...text.matchAll(/^(?:# )?([A-Z][A-Z0-9_]*)=(.*)$/gm)].map((m) => [m[1], m[2]]),
    )
    assert.deepEqual(faultsOf(env), [])
  })
})

describe('older names', () => {
  test('are the same setting', () => {
    const env = { KAFKA_BOOTSTRAP_SERVERS: 'a:1', AZURE_API_KEY: 'sixteen-or-more-characters' }
    const settings = loadSettings(['KAFKA_BROKERS', 'API_KEY'], env)
    assert.deepEqual(settings.KAFKA_BROKERS, ['a:1'])
    assert.equal(settings.API_KEY, 'sixteen-or-more-characters')
  })

  test('are refused beside the new name', () => {
    const faults = faultsOf({ KAFKA_BROKERS: 'a:1', KAFKA_BOOTSTRAP_SERVERS: 'b:1' })
    assertOnlyFault(faults, /^KAFKA_BROKERS: KAFKA_BROKERS and KAFKA_BOOTSTRAP_SERVERS are both set/)
  })
})

describe('NAME_FILE', () => {
  const directory = mkdtempSync(join(tmpdir(), 'settings-'))
  const file = join(directory, 'key')
  writeFileSync(file, 'a-key-from-a-file-of-secrets\n')
  test.after(() => rmSync(directory, { recursive: true }))

  test('a setting whose own name ends so is the path itself', () => {
    assert.equal(loadSettings([], { RULES_FILE: '/my/rules.yaml' }).RULES_FILE, '/my/rules.yaml')
    assert.equal(loadSettings([], { TLS_KEY_FILE: file }).TLS_KEY_FILE, file)
  })

  test('gives the value without its last line break', () => {
    assert.equal(loadSettings([], { API_KEY_FILE: file }).API_KEY, 'a-key-from-a-file-of-secrets')
  })

  test('works for an older name', () => {
    assert.equal(loadSettings([], { AZURE_API_KEY_FILE: file }).API_KEY, 'a-key-from-a-file-of-secrets')
  })

  test('is refused beside NAME', () => {
    const faults = faultsOf({ API_KEY: 'sixteen-or-more-characters', API_KEY_FILE: file }, ['API_KEY'])
    assertOnlyFault(faults, /^API_KEY: API_KEY and API_KEY_FILE are both set; keep one of them/)
  })

  test('names the file that is missing', () => {
    const missing = join(directory, 'nothing')
    const faults = faultsOf({ API_KEY_FILE: missing }, ['API_KEY'])
    assertOnlyFault(faults, /^API_KEY_FILE: .*nothing/)
  })
})

describe('DOCKER-SECRET', () => {
  const name = `weir-test-${process.pid}`
  // Docker puts secrets in this one place; a test that may not write there cannot show it.
  const skip = mayWriteSecrets() ? false : 'needs to write to /run/secrets'
  test.after(() => {
    if (!skip) rmSync(`/run/secrets/${name}`, { force: true })
  })

  function mayWriteSecrets(): boolean {
    try {
      mkdirSync('/run/secrets', { recursive: true })
      writeFileSync(`/run/secrets/${name}`, 'p@ss/word of 16+\n')
      return true
    } catch {
      return false
    }
  }

  test('is replaced by the secret', { skip }, () => {
    assert.equal(loadSettings([], { API_KEY: `DOCKER-SECRET:${name}` }).API_KEY, 'p@ss/word of 16+')
  })

  test('is URL-encoded inside a URL', { skip }, () => {
    const { DATABASE_URL } = loadSettings(['DATABASE_URL'], {
      DATABASE_URL: `postgres://weir:DOCKER-SECRET:${name}@db/weir`,
    })
    assert.equal(DATABASE_URL, 'postgres://weir:p%40ss%2Fword%20of%2016%2B@db/weir')
    assert.equal(decodeURIComponent(new URL(DATABASE_URL).password), 'p@ss/word of 16+')
  })

  test('names the secret that is missing', () => {
    const faults = faultsOf({ API_KEY: 'DOCKER-SECRET:weir-no-such-secret' }, ['API_KEY'])
    assertOnlyFault(faults, /^API_KEY: .*\/run\/secrets\/weir-no-such-secret/)
  })
})

describe('secrets', () => {
  const CANARY = 'canary-7f3a'

  test('are not printed when they are at fault', () => {
    const env = {
      API_KEY: CANARY,
      STRIPE_API_KEY: CANARY,
      DATABASE_URL: `mysql://weir:${CANARY}@db/weir`,
      SCHEMA_REGISTRY_URL: `ftp://weir:${CANARY}@registry`,
      PORT: '-1',
    }
    const error = captured(env)
    assert.doesNotMatch(error.message, new RegExp(CANARY))
    assert.match(error.message, /API_KEY: got \(a secret, not shown\); expected at least 16 characters/)
    assert.match(error.message, /PORT: got "-1"/)
  })

  test('are not printed when they hold a secret that is missing', () => {
    const error = captured({ DATABASE_URL: `postgres://weir:${CANARY}@db/DOCKER-SECRET:weir-no-such-secret` })
    assert.doesNotMatch(error.message, new RegExp(CANARY))
  })

  function captured(env: NodeJS.ProcessEnv): SettingsError {
    try {
      loadSettings([], env)
    } catch (error) {
      return error as SettingsError
    }
    throw new Error('these settings should not load')
  }
})

describe('production', () => {
  const example = Object.fromEntries(
    [
      ...readFileSync(new URL('../../.env.example', import.meta.url), 'utf8').matchAll(
        /^(API_KEY|DATABASE_URL)=(.*)$/gm,
      ),
    ].map((match) => [match[1], match[2]]),
  )

  test('refuses each value that is shipped as an example', () => {
    const faults = faultsOf({ NODE_ENV: 'production', ...example })
    assert.equal(faults.length, 2, faults.join('\n'))
    for (const name of ['API_KEY', 'DATABASE_URL'])
      assert.ok(faults.some((fault) => fault.startsWith(`${name}: still the value of .env.example`)))
  })

  test('refuses the example password at a host of its own', () => {
    const faults = faultsOf({
      NODE_ENV: 'production',
      DATABASE_URL: 'postgres://weir:change-me@db.bank.example/weir?sslmode=verify-full',
    })
    assertOnlyFault(faults, /^DATABASE_URL: still the value/)
  })

  test('accepts values of its own', () => {
    const env = {
      NODE_ENV: 'production',
      API_KEY: 'a-key-of-our-own-here',
      DATABASE_URL: 'postgres://weir:s3@db/weir?sslmode=verify-full',
    }
    assert.deepEqual(faultsOf(env), [])
  })

  test('alone refuses them', () => {
    assert.deepEqual(faultsOf({ NODE_ENV: 'development', ...example }), [])
  })
})

import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { createClient } from '../../schemas/database.ts'
import { explainConnection } from '../../schemas/database-advice.ts'
import { saslOf } from '../../schemas/kafka-access.ts'
import { registryCredentials } from '../../schemas/registry-access.ts'
import { currentValue } from '../../schemas/setting-values.ts'
import { loadSettings } from '../../schemas/settings.ts'
import { faultsOf } from '../support/setting-faults.ts'

const directory = mkdtempSync(join(tmpdir(), 'weir-settings-'))
test.after(() => rmSync(directory, { recursive: true }))

function fileWith(content: string | Buffer, name = 'value'): string {
  const path = join(directory, name)
  writeFileSync(path, content)
  return path
}

describe('the value in a file', () => {
  const CASES: [what: string, content: string, value: string][] = [
    ['without a line break', 'sixteen-or-more-of-them', 'sixteen-or-more-of-them'],
    ['with the line break of an editor', 'sixteen-or-more-of-them\n', 'sixteen-or-more-of-them'],
    ['with that of Windows', 'sixteen-or-more-of-them\r\n', 'sixteen-or-more-of-them'],
    ['with several', 'sixteen-or-more-of-them\n\n', 'sixteen-or-more-of-them'],
    ['with blanks, which are its own', '  sixteen or more \t\n', '  sixteen or more \t'],
  ]
  for (const [what, content, value] of CASES) {
    test(what, () => {
      assert.equal(loadSettings([], { API_KEY_FILE: fileWith(content) }).API_KEY, value)
    })
  }

  const REFUSED: [what: string, path: () => string, expected: RegExp][] = [
    ['that is not there', () => '/nowhere/key', /^API_KEY_FILE: \/nowhere\/key is not there$/],
    ['that is empty', () => fileWith(''), /^API_KEY_FILE: .*\/value is empty$/],
    ['that holds nothing but line breaks', () => fileWith(' \n\n'), /^API_KEY_FILE: .*\/value is empty$/],
    [
      'of several lines',
      () => fileWith('canary-one\ncanary-two\n'),
      /^API_KEY_FILE: .*holds more than one line/,
    ],
    ['with a NUL', () => fileWith('canary\0canary-canary-canary'), /^API_KEY_FILE: .*more than one line/],
    ['that is a directory', () => directory, /^API_KEY_FILE: .* is a directory, no file$/],
    ['with a value that is no key', () => fileWith('canary'), /^API_KEY: got \(a secret, not shown\)/],
  ]
  for (const [what, path, expected] of REFUSED) {
    test(`a file ${what} is refused, and its content not told`, () => {
      const faults = faultsOf({ API_KEY_FILE: path() })
      assert.equal(faults.length, 1, faults.join('\n'))
      assert.match(faults[0], expected)
      assert.doesNotMatch(faults[0], /canary/)
    })
  }

  const TWICE: [NodeJS.ProcessEnv, RegExp][] = [
    [{ API_KEY: 'x', API_KEY_FILE: '/x' }, /API_KEY and API_KEY_FILE are both set/],
    [{ AZURE_API_KEY: 'x', API_KEY_FILE: '/x' }, /API_KEY_FILE and AZURE_API_KEY are both set/],
    [{ AZURE_API_KEY: 'x', AZURE_API_KEY_FILE: '/x' }, /AZURE_API_KEY and AZURE_API_KEY_FILE are both set/],
  ]
  for (const [env, expected] of TWICE) {
    test(`${Object.keys(env).join(' beside ')} is refused`, () => {
      const faults = faultsOf(env)
      assert.equal(faults.length, 1)
      assert.match(faults[0], expected)
    })
  }

  test('any setting may come so, one whose own name ends in _FILE too', () => {
    const settings = loadSettings([], {
      PORT_FILE: fileWith('8123\n', 'port'),
      RULES_FILE_FILE: fileWith('/my/rules.yaml\n', 'rules'),
    })
    assert.equal(settings.PORT, 8123)
    assert.equal(settings.RULES_FILE, '/my/rules.yaml')
  })
})

describe('DOCKER-SECRET', () => {
  test('without a name is refused', () => {
    assert.match(
      faultsOf({ API_KEY: 'DOCKER-SECRET:/etc/passwd' })[0],
      /^API_KEY: DOCKER-SECRET: is followed by no name/,
    )
  })

  test('does not lead out of the directory of secrets', () => {
    assert.match(
      faultsOf({ API_KEY: 'DOCKER-SECRET:..' })[0],
      /^API_KEY: \/run\/secrets\/\.\. is (a directory|not there)/,
    )
  })

  test('is filled in where the value itself comes from a file', (t) => {
    const name = `weir-test-files-${process.pid}`
    try {
      mkdirSync('/run/secrets', { recursive: true })
      writeFileSync(`/run/secrets/${name}`, 'a b\n')
    } catch {
      return t.skip('needs to write to /run/secrets')
    }
    t.after(() => rmSync(`/run/secrets/${name}`))
    const path = fileWith(`postgres://weir:DOCKER-SECRET:${name}@127.0.0.1/weir\n`, 'url')
    assert.equal(
      loadSettings([], { DATABASE_URL_FILE: path }).DATABASE_URL,
      'postgres://weir:a%20b@127.0.0.1/weir',
    )
  })
})

describe('a file that changes', () => {
  const passwordOf = (connectionString: string) =>
    createClient({ connectionString, application_name: 'test' }).password

  test('counts for the next connection to PostgreSQL', () => {
    const path = fileWith('postgres://weir:one@127.0.0.1/weir', 'database-url')
    const { DATABASE_URL } = loadSettings(['DATABASE_URL'], { DATABASE_URL_FILE: path })
    assert.equal(passwordOf(DATABASE_URL), 'one')
    fileWith('postgres://weir:two@127.0.0.1/weir\n', 'database-url')
    assert.equal(passwordOf(DATABASE_URL), 'two')
    assert.equal(passwordOf('postgres://weir:else@127.0.0.1/weir'), 'else')
  })

  test('leaves the last one where it is empty, gone or of no use', () => {
    const path = fileWith('postgres://weir:one@127.0.0.1/weir', 'database-url')
    const { DATABASE_URL } = loadSettings(['DATABASE_URL'], { DATABASE_URL_FILE: path })
    fileWith('postgres://weir:two@127.0.0.1/weir', 'database-url')
    assert.equal(passwordOf(DATABASE_URL), 'two')
    for (const content of ['', 'mysql://weir@127.0.0.1/weir', 'postgres://weir@h/weir?sslmode=prefer']) {
      fileWith(content, 'database-url')
      assert.equal(passwordOf(DATABASE_URL), 'two')
    }
    rmSync(path)
    assert.equal(passwordOf(DATABASE_URL), 'two')
  })

  test('does not take away what production asks for; who cannot connect by the last one is told why', () => {
    const proved = 'postgres://weir:one@db.bank.example/weir?sslmode=verify-full'
    const path = fileWith(proved, 'database-url')
    const { DATABASE_URL } = loadSettings(['DATABASE_URL'], {
      NODE_ENV: 'production',
      DATABASE_URL_FILE: path,
    })
    const client = () => createClient({ connectionString: DATABASE_URL, application_name: 'test' })
    const told = () => explainConnection(new Error('refused')).message
    for (const open of ['', '?sslmode=disable', '?sslmode=require']) {
      fileWith(`postgres://weir:canary@db.bank.example/weir${open}`, 'database-url')
      assert.equal(client().password, 'one')
      assert.equal(typeof client().ssl, 'object')
      assert.match(
        told(),
        /^refused\. The file of DATABASE_URL was not taken, .*sslmode=\w+ another server than db\.bank\.example may pose/,
      )
      assert.doesNotMatch(told(), /canary/)
    }
    fileWith('postgres://weir:two@db.bank.example/weir?sslmode=verify-full', 'database-url')
    assert.equal(client().password, 'two')
    assert.equal(told(), 'refused')
  })

  test('counts for Kafka and the registry, too', () => {
    const kafka = fileWith('one', 'kafka')
    const registry = fileWith('one', 'registry')
    const settings = loadSettings(['KAFKA_BROKERS', 'SCHEMA_REGISTRY_URL'], {
      KAFKA_BROKERS: '127.0.0.1:1',
      KAFKA_SECURITY_PROTOCOL: 'SASL_PLAINTEXT',
      KAFKA_SASL_USERNAME: 'detector',
      KAFKA_SASL_PASSWORD_FILE: kafka,
      SCHEMA_REGISTRY_URL: 'https://127.0.0.1:1',
      SCHEMA_REGISTRY_USERNAME: 'weir',
      SCHEMA_REGISTRY_PASSWORD_FILE: registry,
    })
    const sasl = saslOf(settings) as { password: string }
    assert.equal(sasl.password, 'one')
    fileWith('two', 'kafka')
    fileWith('three', 'registry')
    assert.equal(sasl.password, 'two')
    assert.deepEqual(registryCredentials(settings), { username: 'weir', password: 'three' })
  })

  test('does not change a value that stands in the environment', () => {
    loadSettings([], { API_KEY: 'sixteen-or-more-of-them' })
    assert.equal(currentValue('API_KEY', 'sixteen-or-more-of-them'), 'sixteen-or-more-of-them')
  })
})

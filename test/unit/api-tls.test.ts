import assert from 'node:assert/strict'
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect, type DetailedPeerCertificate } from 'node:tls'
import { startApi } from '../../api/main.ts'
import { readTls } from '../../api/tls.ts'
import { createLogger } from '../../schemas/log.ts'
import { loadSettings, type Name } from '../../schemas/settings.ts'
import { selfSigned, withoutOpenssl } from '../support/certificates.ts'
import { KEY } from './api-app.ts'

const needs = { skip: withoutOpenssl }

/** A directory with `NAME.crt` and `NAME.key` for each name, which is the certificate's subject. */
function certificates(t: TestContext, ...names: string[]): string {
  const directory = mkdtempSync(join(tmpdir(), 'weir-tls-'))
  t.after(() => rmSync(directory, { recursive: true }))
  for (const name of names)
    selfSigned({ cert: join(directory, `${name}.crt`), key: join(directory, `${name}.key`) }, { name })
  return directory
}

const settingsWith = (env: Partial<Record<Name, string>>) =>
  loadSettings(['DATABASE_URL', 'API_KEY'], {
    DATABASE_URL: 'postgres://weir@127.0.0.1:1/weir',
    API_KEY: KEY,
    PORT: '0',
    NODE_ENV: 'production',
    SHUTDOWN_SECONDS: '1',
    ...env,
  })

/** What a new connection is shown, and what it is told. */
async function ask(port: number, version?: 'TLSv1.1'): Promise<{ subject: string; answer: string }> {
  const versions = version ? { minVersion: version, maxVersion: version } : {}
  const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false, ...versions })
  const { promise, resolve, reject } = Promise.withResolvers<{ subject: string; answer: string }>()
  let answer = ''
  let certificate: DetailedPeerCertificate | undefined
  socket.on('secureConnect', () => {
    certificate = socket.getPeerCertificate(true)
    socket.write(`GET / HTTP/1.1\r\nHost: weir.example\r\nConnection: close\r\n\r\n`)
  })
  socket.on('data', (data) => {
    answer += data
  })
  socket.on('error', reject).on('close', () => resolve({ subject: String(certificate?.subject.CN), answer }))
  return promise
}

test(
  'with certificate files it serves https, on which a session is possible in production',
  needs,
  async (t) => {
    const directory = certificates(t, 'one')
    const files = { TLS_CERT_FILE: join(directory, 'one.crt'), TLS_KEY_FILE: join(directory, 'one.key') }
    const api = await startApi({ settings: settingsWith(files), log: createLogger('api', 'silent') })
    t.after(() => api.stop())
    assert.match(api.url, /^https:/)
    const { subject, answer } = await ask(api.port)
    assert.equal(subject, 'one')
    assert.match(answer, /name="key"/)
    await assert.rejects(ask(api.port, 'TLSv1.1'))
  },
)

test('a renewed certificate is shown to new connections; half of a pair is left alone', needs, async (t) => {
  const directory = certificates(t, 'one', 'two')
  const files = { TLS_CERT_FILE: join(directory, 'now.crt'), TLS_KEY_FILE: join(directory, 'now.key') }
  const renew = (name: string, ...what: ('crt' | 'key')[]) => {
    for (const kind of what) copyFileSync(join(directory, `${name}.${kind}`), join(directory, `now.${kind}`))
  }
  renew('one', 'crt', 'key')
  const lines: string[] = []
  const log = createLogger('api', 'trace', { write: (line) => void lines.push(line) })
  const api = await startApi({ settings: settingsWith(files), log })
  t.after(() => api.stop())
  const said = async (text: string) => {
    for (let tries = 0; !lines.some((line) => line.includes(text)); tries++) {
      assert.ok(tries < 200, `waited in vain for: ${text}`)
      await sleep(100)
    }
  }
  renew('two', 'crt')
  await said('the one before stays')
  assert.equal((await ask(api.port)).subject, 'one')
  renew('two', 'key')
  await said('was read again')
  assert.equal((await ask(api.port)).subject, 'two')
})

test('files that are missing, alone or no pair are an error that names the setting', needs, (t) => {
  const directory = certificates(t, 'one', 'two')
  const at = (file: string) => join(directory, file)
  const start = (TLS_CERT_FILE: string, TLS_KEY_FILE: string) => () =>
    readTls(settingsWith({ TLS_CERT_FILE, TLS_KEY_FILE }))
  assert.throws(start(at('one.crt'), ''), /TLS_KEY_FILE: not set/)
  assert.throws(start('', at('one.key')), /TLS_CERT_FILE: not set/)
  assert.throws(start(at('none.crt'), at('one.key')), /TLS_CERT_FILE: ENOENT/)
  assert.throws(start(at('one.crt'), at('two.key')), /no pair/)
  writeFileSync(at('bad.crt'), 'no certificate')
  assert.throws(start(at('bad.crt'), at('one.key')), /no pair/)
  assert.ok(start(at('one.crt'), at('one.key'))())
})

const REACHABLE: [what: string, env: Partial<Record<Name, string>>, warned: boolean][] = [
  ['plain http that others can reach', { HOST: '0.0.0.0' }, true],
  ['plain http behind a proxy', { HOST: '0.0.0.0', TRUSTED_PROXIES: '1' }, false],
  ['plain http on loopback', {}, false],
  ['plain http outside of production', { HOST: '0.0.0.0', NODE_ENV: 'test' }, false],
]
for (const [what, env, warned] of REACHABLE) {
  test(`${what} is ${warned ? '' : 'not '}warned of`, async () => {
    const lines: string[] = []
    const log = createLogger('api', 'warn', { write: (line) => void lines.push(line) })
    const api = await startApi({ settings: settingsWith(env), log })
    await api.stop()
    assert.equal(lines.join('').includes('send their keys readable'), warned)
  })
}

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { query, servers } from '../harness.ts'
import { apiProcess } from '../support/api-process.ts'
import { Authority, withoutOpenssl } from '../support/certificates.ts'
import { startSecurePostgres } from '../support/secure-postgres.ts'
import { runCommand } from './commands.ts'

test('PostgreSQL over TLS', { skip: withoutOpenssl }, async (t) => {
  const authority = new Authority(t)
  const stranger = new Authority(t, 'An authority of somebody else')
  const { cert, key } = authority.issue('certified')
  const postgres = await startSecurePostgres(t, authority)

  /** The owner's URL. @param ca null for none */
  function at(sslmode: string, ca: string | null, host = '127.0.0.1'): string {
    const url = new URL(postgres.url(`sslmode=${sslmode}${ca === null ? '' : `&sslrootcert=${ca}`}`))
    url.hostname = host
    return url.href
  }
  const verified = `sslmode=verify-full&sslrootcert=${authority.ca}`

  const ACCEPTED: [what: string, url: string][] = [
    ['verify-full: the authority and the address', at('verify-full', authority.ca)],
    ['verify-ca: a name that the certificate does not have', at('verify-ca', authority.ca, 'localhost')],
    ['require: nothing is proved', at('require', null, 'localhost')],
    ['a certificate of the user', postgres.certifiedUrl(`${verified}&sslcert=${cert}&sslkey=${key}`)],
  ]
  for (const [what, url] of ACCEPTED) {
    await t.test(`${what}: encrypted`, async () => {
      const mine = 'SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()'
      assert.deepEqual(await query(url, mine), [{ ssl: true }])
    })
  }

  const wrongPassword = new URL(at('verify-full', authority.ca))
  wrongPassword.password = 'another-one'
  const foreign = /nobody that we trust: sslrootcert of DATABASE_URL must name/
  const REFUSED: [what: string, url: string, expected: RegExp][] = [
    ['verify-full: another authority', at('verify-full', stranger.ca), foreign],
    ['verify-ca: another authority', at('verify-ca', stranger.ca), foreign],
    ['require with an authority: another one', at('require', stranger.ca), foreign],
    ['verify-full: only the authorities of Node', at('verify-full', null), foreign],
    ['verify-full: another name', at('verify-full', authority.ca, 'localhost'), /was not made for this name/],
    ['disable', at('disable', null), /takes encrypted connections only: set sslmode=verify-full/],
    ['a wrong password', wrongPassword.href, /authentication failed.*If the password was changed/s],
    ['no certificate of the user', postgres.certifiedUrl(verified), /sslcert and sslkey in DATABASE_URL/],
    [
      'a server without TLS',
      `${servers().DATABASE_URL}?sslmode=verify-full`,
      /does not support SSL connections.*Turn TLS on there/s,
    ],
  ]
  for (const [what, url, expected] of REFUSED)
    await t.test(`${what}: refused`, () => assert.rejects(query(url, 'SELECT 1'), expected))

  await t.test('a command says so, without the password', async () => {
    const url = at('verify-full', stranger.ca)
    const { code, errors } = await runCommand(url, 'migrate')
    assert.equal(code, 1)
    assert.match(errors, /^error: no connection to PostgreSQL at 127\.0\.0\.1:\d+\/weir \(DATABASE_URL\): /)
    assert.match(errors, foreign)
    assert.ok(!errors.includes(new URL(url).password))
  })

  await t.test('a file that is not there is told before any connection', async () => {
    const { code, errors } = await runCommand(at('verify-full', '/nowhere/ca.pem'), 'migrate')
    assert.equal(code, 2)
    assert.match(errors, /DATABASE_URL \(sslrootcert\): \/nowhere\/ca\.pem is not there/)
  })

  await t.test('the API does not wait for a server that it can never trust', async (t) => {
    const api = await apiProcess(t, {
      DATABASE_URL: at('verify-full', stranger.ca),
      API_KEY: 'a-key-for-the-tests-only',
    })
    assert.equal(await api.ended(), 1)
    assert.match(api.output, foreign)
  })
})

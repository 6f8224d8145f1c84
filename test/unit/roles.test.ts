import assert from 'node:assert/strict'
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { newPassword, PasswordFiles, urlFor } from '../../deploy/roles/password-files.ts'
import { passwordTime } from '../../deploy/roles/passwords.ts'
import { isVerifierOf, scramVerifier } from '../../deploy/roles/scram.ts'
import { GRANTS } from '../../schemas/roles/grants.ts'
import { ROLE_NAMES, ROLES } from '../../schemas/roles/roles.ts'

function filesFor(t: TestContext): PasswordFiles {
  const directory = mkdtempSync(join(tmpdir(), 'weir-test-'))
  t.after(() => rmSync(directory, { recursive: true }))
  return new PasswordFiles(join(directory, 'secrets'))
}

const modeOf = (file: string) => statSync(file).mode & 0o777

test('a verifier has the keys of the example in RFC 7677', () => {
  const salt = Buffer.from('W22ZaJ0SNY7soEsUEjb6gQ==', 'base64')
  assert.equal(
    scramVerifier('pencil', salt),
    'SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=' +
      ':wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=',
  )
})

test('a verifier is its own password’s, whatever salt and count it has, and no other one’s', () => {
  const made = scramVerifier('correct horse', undefined, 5000)
  assert.notEqual(made, scramVerifier('correct horse', undefined, 5000))
  assert.ok(isVerifierOf(made, 'correct horse'))
  for (const other of [made.slice(0, -1), 'md5aaaa', ''])
    assert.ok(!isVerifierOf(other, 'correct horse'), other)
  assert.ok(!isVerifierOf(made, 'correct horse '))
})

test('a password file is this user’s alone, and one that is replaced keeps its mode', (t) => {
  const files = filesFor(t)
  assert.equal(files.read('fraud_api'), undefined)
  const [first, second] = [newPassword(), newPassword()]
  files.write('fraud_api', first)
  const file = join(files.directory, 'fraud_api')
  assert.equal(files.read('fraud_api'), first)
  assert.deepEqual([modeOf(file), modeOf(files.directory)], [0o600, 0o700])
  chmodSync(file, 0o640)
  files.write('fraud_api', second)
  assert.deepEqual([files.read('fraud_api'), modeOf(file)], [second, 0o640])
  assert.deepEqual(readdirSync(files.directory), ['fraud_api'])
})

test('a file that holds no usable password is refused by its name, without what it holds', (t) => {
  const files = filesFor(t)
  files.write('fraud_api', newPassword())
  for (const text of [
    '',
    'too-short',
    'with a space in the middle',
    'pässword-of-another-kind',
    'two-lines-of-\ntext-are-none',
  ]) {
    writeFileSync(join(files.directory, 'fraud_api'), text)
    assert.throws(
      () => files.read('fraud_api'),
      (error: Error) =>
        /fraud_api holds no password/.test(error.message) && (text === '' || !error.message.includes(text)),
      text,
    )
  }
})

test('a URL has the other one’s host, port, database and parameters', (t) => {
  const files = filesFor(t)
  const admin = 'postgres://postgres:secret@db.example:6432/weir?sslmode=verify-full'
  const url = urlFor('fraud_api', 'p@ss/word:%41-and-more', admin)
  assert.equal(
    url,
    'postgres://fraud_api:p%40ss%2Fword%3A%2541-and-more@db.example:6432/weir?sslmode=verify-full',
  )
  assert.equal(decodeURIComponent(new URL(url).password), 'p@ss/word:%41-and-more')
  assert.equal(files.hasUrl('fraud_api'), false)
  files.writeUrl('fraud_api', 'p@ss/word:%41-and-more', `${admin}&sslcert=/admin.crt&sslkey=/admin.key`)
  assert.equal(files.hasUrl('fraud_api'), true)
  assert.equal(readFileSync(join(files.directory, 'fraud_api.url'), 'utf8').trim(), url)
})

test('a URL does not log in as the other one, who may stand in its parameters', () => {
  const bySocket = 'postgres:///weir?host=/var/run/postgresql&user=postgres&password=secret'
  const url = new URL(urlFor('fraud_api', 'p&ss', bySocket))
  assert.deepEqual(Object.fromEntries(url.searchParams), {
    host: '/var/run/postgresql',
    user: 'fraud_api',
    password: 'p&ss',
  })
  assert.equal(
    urlFor('fraud_api', 'pass', 'postgres://db/weir?user=postgres&password=secret'),
    'postgres://fraud_api:pass@db/weir',
  )
})

test('a password that cannot take its place is left nowhere', (t) => {
  const files = filesFor(t)
  mkdirSync(join(files.directory, 'fraud_api'), { recursive: true })
  assert.throws(() => files.write('fraud_api', newPassword()))
  assert.deepEqual(readdirSync(files.directory), ['fraud_api'])
})

test('the time of a password is told by its own comments alone', () => {
  assert.equal(passwordTime('Weir: password set 2026-11-30T00:00:00.000Z')?.getTime(), Date.UTC(2026, 10, 30))
  for (const comment of [null, '', 'the branch’s', 'Weir: password set lately'])
    assert.equal(passwordTime(comment), null)
})

test('every role but the owner has grants, and all together leave a server of 100 connections some', () => {
  assert.deepEqual(
    Object.keys(GRANTS).toSorted(),
    ROLE_NAMES.filter((name) => name !== 'fraud_owner').toSorted(),
  )
  const connections = Object.values(ROLES).reduce((sum, role) => sum + role.connections, 0)
  assert.ok(connections <= 97, String(connections))
})

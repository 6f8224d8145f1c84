import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { describe, type TestContext, test } from 'node:test'
import { checkFile } from '../../deploy/backup/check-file.ts'
import { chooseDecryption, chooseEncryption } from '../../deploy/backup/encryption.ts'
import { backupGauges } from '../../deploy/backup/gauges.ts'
import { readIdentities, readRecipients } from '../../deploy/backup/key-files.ts'
import { backupAt, listBackups } from '../../deploy/backup/list.ts'
import { type Manifest, manifestOf, readManifest, verificationOf } from '../../deploy/backup/manifest.ts'
import { findProgram } from '../../deploy/backup/programs.ts'
import { partialOf, writeWhole } from '../../deploy/backup/write-whole.ts'
import { gaugesText } from '../../schemas/textfile.ts'
import { documentedMetrics, familiesOf } from '../support/watching.ts'

const PUBLIC = `age1${'q'.repeat(58)}`
const SECRET = `AGE-SECRET-KEY-1${'Q'.repeat(58)}`
const never = new AbortController().signal

function directoryOf(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'backup-files-'))
  t.after(() => rmSync(directory, { recursive: true }))
  return directory
}

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')

/** A backup of a content that is no dump, with its manifest. */
function backupOf(directory: string, time: string, content = `content of ${time}`): string {
  const file = `weir-${time.replaceAll(/[-:]|\.\d+/g, '')}.dump.age`
  const backup = join(directory, file)
  const manifest: Manifest = {
    format: 'weir-backup-1',
    file,
    size: Buffer.byteLength(content),
    sha256: sha256(content),
    encryption: { by: 'age', recipients: [PUBLIC] },
    started_at: time,
    ended_at: time,
    weir_version: '0.1.0',
    database: 'weir',
    server_version: '15.18',
    server_major: 15,
    pg_dump_version: '15.18',
    pg_dump_major: 15,
    facts: {
      taken_at: time,
      migrations: ['0001_transactions'],
      tables: [{ name: 'public.labels', rows: 3, sampled: 1, digest: '12' }],
      positions: [{ topic: 'transactions', partition: 0, next_offset: 7, stored: 7 }],
      sequences: [],
      audit: { seq: 1, hash: '0'.repeat(64) },
      labels: { fraud: 1, genuine: 2, taken_back: 0 },
      roles: [],
    },
  }
  writeFileSync(backup, content)
  writeFileSync(manifestOf(backup), JSON.stringify(manifest))
  return backup
}

function verified(backup: string, at: string, of = readManifest(backup).sha256): void {
  writeFileSync(
    verificationOf(backup),
    JSON.stringify({
      format: 'weir-backup-verification-1',
      sha256: of,
      verified_at: at,
      seconds: 1,
      server_version: '15.18',
      tables: 1,
      rows: 3,
      audit_rows: 1,
    }),
  )
}

describe('files of keys', () => {
  const fileOf = (t: TestContext, text: string): string => {
    const file = join(directoryOf(t), 'keys.txt')
    writeFileSync(file, text)
    return file
  }

  test('have one a line, and comments', (t) => {
    assert.deepEqual(readRecipients(fileOf(t, `# of the bank\n${PUBLIC}\n\n  ${PUBLIC}x \r\n`)), [
      PUBLIC,
      `${PUBLIC}x`,
    ])
    assert.deepEqual(readIdentities(fileOf(t, `# public key: ${PUBLIC}\n${SECRET}\n`)), [SECRET])
  })

  for (const [what, text, message] of [
    ['no recipient', '# nobody\n\n', /has no public key/],
    ['a secret key among the public ones', `${PUBLIC}\n${SECRET}\n`, /keys\.txt:2 is a secret key/],
    ['something else', 'ssh-ed25519 AAAA\n', /keys\.txt:1 is no public key of age/],
  ] as const)
    test(`with ${what} are refused, and the key is not shown`, (t) => {
      assert.throws(
        () => readRecipients(fileOf(t, text)),
        (error: Error) => message.test(error.message) && !error.message.includes(SECRET),
      )
    })

  test('that hold the wrong kind of key, or a damaged one, cannot read a backup', (t) => {
    assert.throws(() => readIdentities(fileOf(t, `${PUBLIC}\n`)), /:1 is a public key/)
    assert.throws(() => readIdentities(fileOf(t, '# empty\n')), /has no secret key/)
    assert.throws(
      () => chooseDecryption('age', fileOf(t, `${SECRET}\n`)),
      (error: Error) => {
        return /not whole/.test(error.message) && !error.message.includes(SECRET)
      },
    )
    assert.throws(() => chooseEncryption(fileOf(t, `${PUBLIC}\n`), undefined), /is no public key of age/)
  })

  test('are asked for: nothing is written unencrypted', () => {
    assert.throws(() => chooseEncryption(undefined, undefined), /no recipients/)
    assert.throws(() => chooseEncryption('file', ['key']), /not both/)
    assert.throws(() => chooseDecryption('age', undefined), /--identity FILE/)
    assert.throws(() => chooseDecryption('gpg', 'file'), /without --identity/)
  })
})

describe('a file that is written whole', () => {
  test('has its content, its checksum, and is for its owner only', async (t) => {
    const path = join(directoryOf(t), 'file')
    assert.deepEqual(await writeWhole(path, 'some text'), { size: 9, sha256: sha256('some text') })
    assert.equal(readFileSync(path, 'utf8'), 'some text')
    assert.equal(statSync(path).mode & 0o777, 0o600)
    assert.equal(existsSync(partialOf(path)), false)
  })

  test('is not there until it is whole, and not at all when its content fails', async (t) => {
    const directory = directoryOf(t)
    const path = join(directory, 'file')
    async function* failing(): AsyncGenerator<Uint8Array> {
      yield Buffer.from('half')
      assert.deepEqual(readdirSync(directory), ['file.partial'])
      throw new Error('no more')
    }
    await assert.rejects(writeWhole(path, failing()), /no more/)
    assert.deepEqual(readdirSync(directory), [])
  })

  test('takes no file’s place, and none that somebody else is at', async (t) => {
    const path = join(directoryOf(t), 'file')
    writeFileSync(path, 'old')
    await assert.rejects(writeWhole(path, 'new'), /is there already/)
    rmSync(path)
    writeFileSync(partialOf(path), 'of another')
    await assert.rejects(writeWhole(path, 'new'), /EEXIST/)
    assert.equal(readFileSync(partialOf(path), 'utf8'), 'of another')
  })
})

describe('the list of backups', () => {
  test('has the newest first, and says what each is', async (t) => {
    const directory = directoryOf(t)
    const oldest = backupOf(directory, '2026-11-01T03:00:00.000Z')
    verified(oldest, '2026-11-02T04:00:00.000Z')
    const cut = backupOf(directory, '2026-11-02T03:00:00.000Z')
    writeFileSync(cut, 'cut')
    const lost = backupOf(directory, '2026-11-03T03:00:00.000Z')
    rmSync(lost)
    const bare = backupOf(directory, '2026-11-04T03:00:00.000Z')
    rmSync(manifestOf(bare))
    const odd = backupOf(directory, '2026-11-05T03:00:00.000Z')
    writeFileSync(manifestOf(odd), '{"format":"weir-backup-1"')
    writeFileSync(join(directory, 'weir-20261106T030000Z.dump.age.partial'), 'half')
    writeFileSync(join(directory, 'notes.txt'), '')
    assert.deepEqual(
      listBackups(directory).map(({ state, size }) => [state, size]),
      [
        ['partial', 4],
        ['bad manifest', readFileSync(odd).length],
        ['no manifest', readFileSync(bare).length],
        ['no file', 0],
        ['wrong size', 3],
        ['complete', readFileSync(oldest).length],
      ],
    )
    assert.equal(backupAt(directory), oldest, 'the newest of a directory is the newest complete one')
    assert.equal(backupAt(manifestOf(cut)), cut)
    assert.throws(() => backupAt(join(directory, 'nothing')), /is not there/)
  })

  test('takes no verification of another content', (t) => {
    const directory = directoryOf(t)
    const backup = backupOf(directory, '2026-11-01T03:00:00.000Z')
    verified(backup, '2026-11-02T04:00:00.000Z', sha256('another'))
    assert.equal(listBackups(directory)[0].verified_at, null)
    verified(backup, '2026-11-02T04:00:00.000Z')
    assert.equal(listBackups(directory)[0].verified_at, '2026-11-02T04:00:00.000Z')
  })

  test('tells Prometheus the time of the newest backup, and of the newest that was verified', (t) => {
    const directory = directoryOf(t)
    const metric = (name: string) =>
      backupGauges(listBackups(directory)).find((gauge) => gauge.name === name)?.value
    assert.equal(metric('weir_backup_last_success_timestamp_seconds'), 0)
    assert.equal(metric('weir_backup_last_verified_timestamp_seconds'), 0)
    verified(backupOf(directory, '2026-11-01T03:00:00.000Z'), '2026-11-09T00:00:00.000Z')
    backupOf(directory, '2026-11-02T03:00:00.000Z')
    rmSync(backupOf(directory, '2026-11-03T03:00:00.000Z'))
    assert.equal(metric('weir_backup_last_success_timestamp_seconds'), Date.UTC(2026, 10, 2, 3) / 1000)
    assert.equal(metric('weir_backup_last_verified_timestamp_seconds'), Date.UTC(2026, 10, 1, 3) / 1000)
    const families = familiesOf(gaugesText(backupGauges(listBackups(directory))))
    const documented = [...documentedMetrics().values()].filter(({ name }) => name.startsWith('weir_backup'))
    assert.deepEqual(
      [...families].map(([name, { type }]) => `${name} ${type} file`).sort(),
      documented.map(({ name, type, by }) => `${name} ${type} ${by}`).sort(),
    )
  })
})

describe('a file and its manifest', () => {
  const cases: [string, (backup: string) => void, RegExp][] = [
    [
      'cut off',
      (backup) => writeFileSync(backup, 'cont'),
      /has 4 bytes, its manifest says \d+: it was cut off/,
    ],
    ['made longer', (backup) => writeFileSync(backup, `${readFileSync(backup)}x`), /something was added/],
    [
      'altered',
      (backup) => writeFileSync(backup, readFileSync(backup, 'utf8').replace('content', 'Content')),
      /SHA-256 .* damaged or was altered/,
    ],
    ['without its manifest', (backup) => rmSync(manifestOf(backup)), /\.json is missing/],
    ['with half a manifest', (backup) => writeFileSync(manifestOf(backup), '{"for'), /was cut off/],
  ]
  for (const [what, change, message] of cases)
    test(`that is ${what} is found`, async (t) => {
      const backup = backupOf(directoryOf(t), '2026-11-01T03:00:00.000Z')
      await checkFile(backup, readManifest(backup), never)
      change(backup)
      await assert.rejects(async () => checkFile(backup, readManifest(backup), never), message)
    })

  test('that were swapped are found', async (t) => {
    const directory = directoryOf(t)
    const one = backupOf(directory, '2026-11-01T03:00:00.000Z')
    const other = backupOf(directory, '2026-11-02T03:00:00.000Z')
    await assert.rejects(
      checkFile(one, readManifest(other), never),
      new RegExp(`is that of ${basename(other)}: they were swapped`),
    )
    const renamed = { ...readManifest(other), file: basename(one) }
    await assert.rejects(checkFile(one, renamed, never), /its manifest says/)
  })
})

describe('PostgreSQL’s programs', () => {
  const folderWith = (t: TestContext, versionLine: string): string => {
    const folder = directoryOf(t)
    writeFileSync(join(folder, 'pg_dump'), `#!/bin/sh\necho "${versionLine}"\n`)
    chmodSync(join(folder, 'pg_dump'), 0o755)
    return folder
  }
  const find = (folder: string, minimum: number) =>
    findProgram({ name: 'pg_dump', minimum, since: `the server is PostgreSQL ${minimum}`, folder })

  test('are taken when they are new enough', async (t) => {
    const folder = folderWith(t, 'pg_dump (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)')
    assert.deepEqual(await find(folder, 15), {
      command: join(folder, 'pg_dump'),
      version: '15.18',
      major: 15,
    })
    assert.equal((await find(folderWith(t, 'pg_dump (PostgreSQL) 19beta1'), 18)).major, 19)
  })

  test('are refused when they are older than the server, saying what to install', async (t) => {
    const folder = folderWith(t, 'pg_dump (PostgreSQL) 15.18')
    await assert.rejects(
      find(folder, 18),
      /pg_dump 18 or later is needed, since the server is PostgreSQL 18; found: \S+pg_dump 15\.18.*postgresql-client-18/,
    )
  })

  test('are missed, saying where they were looked for', async (t) => {
    const folder = directoryOf(t)
    await assert.rejects(find(folder, 15), new RegExp(`there is none in ${folder}.*--programs`))
    await assert.rejects(find(folderWith(t, 'something else'), 15), /there is none/)
  })
})

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { after, before, describe, test } from 'node:test'
import { gpgDecryption, gpgEncryption } from '../../deploy/backup/gpg.ts'

const KEY = 'backup-test@weir.invalid'

function hasGpg(): boolean {
  try {
    execFileSync('gpg', ['--version'], { stdio: 'ignore' })
    execFileSync('gpg-agent', ['--version'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

async function* inPieces(bytes: Buffer): AsyncGenerator<Uint8Array> {
  for (let i = 0; i < bytes.length; i += 50_000) yield bytes.subarray(i, i + 50_000)
}

describe('gpg', { skip: !hasGpg() && 'gpg and gpg-agent are not installed' }, () => {
  const home = mkdtempSync(join(tmpdir(), 'backup-gpg-'))
  before(() => {
    process.env.GNUPGHOME = home
    const args = [
      '--batch',
      '--quiet',
      '--passphrase',
      '',
      '--quick-generate-key',
      KEY,
      'future-default',
      'default',
      'never',
    ]
    execFileSync('gpg', args, { stdio: 'ignore' })
  })
  after(() => {
    execFileSync('gpgconf', ['--kill', 'all'])
    rmSync(home, { recursive: true, force: true })
  })

  const encrypted = (content: Buffer) => buffer(gpgEncryption([KEY]).encrypt(inPieces(content)))
  const decrypted = (file: Buffer) => buffer(gpgDecryption().decrypt(inPieces(file)))

  test('brings back what it has encrypted', async () => {
    for (const length of [0, 10, 500_000]) {
      const content = randomBytes(length)
      const file = await encrypted(content)
      assert.equal(length > 0 && file.includes(content), false)
      assert.ok((await decrypted(file)).equals(content))
    }
  })

  test('refuses what was altered or cut off', async () => {
    const file = await encrypted(randomBytes(500_000))
    const altered = Buffer.from(file)
    altered[300_000] ^= 1
    await assert.rejects(decrypted(altered), /gpg failed/)
    await assert.rejects(decrypted(file.subarray(0, 300_000)), /gpg failed/)
  })

  test('tells of a key that it does not know, and ends with what its source throws', async () => {
    await assert.rejects(
      buffer(gpgEncryption(['nobody@weir.invalid']).encrypt(inPieces(randomBytes(10)))),
      /gpg failed/,
    )
    async function* failing(): AsyncGenerator<Uint8Array> {
      yield randomBytes(100_000)
      throw new Error('the source broke')
    }
    await assert.rejects(buffer(gpgEncryption([KEY]).encrypt(failing())), /the source broke/)
  })
})

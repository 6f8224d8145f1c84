import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { type TestContext, test } from 'node:test'
import { ageDecryption, ageEncryption, generateKeys } from '../../deploy/backup/age.ts'
import { readIdentities } from '../../deploy/backup/key-files.ts'

/** A piece of age's format, with its tag. */
const PIECE = 64 * 1024 + 16

async function keys(t: TestContext): Promise<{ recipient: string; identity: string; file: string }> {
  const directory = await mkdtemp(join(tmpdir(), 'backup-age-'))
  t.after(() => rm(directory, { recursive: true }))
  const file = join(directory, 'key.txt')
  const recipient = await generateKeys(file)
  return { recipient, identity: readIdentities(file)[0], file }
}

/** The bytes in pieces that do not fit age's. */
async function* inPieces(bytes: Buffer, size = 10_007): AsyncGenerator<Uint8Array> {
  for (let i = 0; i < bytes.length; i += size) yield bytes.subarray(i, i + size)
}

const encrypted = (recipients: string[], content: Buffer) =>
  buffer(ageEncryption(recipients).encrypt(inPieces(content)))
const decrypted = (identities: string[], file: Buffer) =>
  buffer(ageDecryption(identities).decrypt(inPieces(file)))

test('what is encrypted comes back, by each recipient’s key alone, whatever its length', async (t) => {
  const [one, other] = [await keys(t), await keys(t)]
  for (const length of [0, 1, 65_535, 65_536, 65_537, 3 * 65_536 + 5]) {
    const content = randomBytes(length)
    const file = await encrypted([one.recipient, other.recipient], content)
    assert.match(file.toString('latin1'), /^age-encryption\.org\/v1\n/)
    for (const { identity } of [one, other]) assert.ok((await decrypted([identity], file)).equals(content))
  }
})

test('a key that does not fit is told, and so is a file that is none', async (t) => {
  const [one, other] = [await keys(t), await keys(t)]
  const file = await encrypted([one.recipient], randomBytes(1000))
  await assert.rejects(decrypted([other.identity], file), /the secret key does not fit/)
  await assert.rejects(
    decrypted([one.identity], Buffer.from('PGDMP and so on\n'.repeat(20))),
    /cannot be decrypted/,
  )
  await assert.rejects(decrypted([one.identity], Buffer.alloc(0)), /cannot be decrypted/)
})

test('one flipped bit, wherever it is, is found', async (t) => {
  const { recipient, identity } = await keys(t)
  const file = await encrypted([recipient], randomBytes(3 * 65_536))
  const header = file.indexOf('\n--- ') + 5
  for (const at of [0, 25, 60, header, header + 44, header + 60, file.length - 2 * PIECE, file.length - 1]) {
    const flipped = Buffer.from(file)
    flipped[at] ^= 1 << (at % 8)
    await assert.rejects(decrypted([identity], flipped), `bit of byte ${at}`)
  }
})

test('a file that was cut off is found, at the border of a piece too', async (t) => {
  const { recipient, identity } = await keys(t)
  const file = await encrypted([recipient], randomBytes(3 * 65_536))
  for (const length of [
    10,
    100,
    file.length - 3 * PIECE,
    file.length - 2 * PIECE,
    file.length - PIECE,
    file.length - 1,
  ])
    await assert.rejects(decrypted([identity], file.subarray(0, length)), `${length} of ${file.length} bytes`)
})

test('what the source throws ends the encryption with that error', async (t) => {
  const { recipient } = await keys(t)
  async function* failing(): AsyncGenerator<Uint8Array> {
    yield randomBytes(100_000)
    throw new Error('the source broke')
  }
  await assert.rejects(buffer(ageEncryption([recipient]).encrypt(failing())), /the source broke/)
})

test('a reader that stops early lets the source go', async (t) => {
  const { recipient } = await keys(t)
  const letGo = Promise.withResolvers<void>()
  async function* endless(): AsyncGenerator<Uint8Array> {
    try {
      for (;;) yield Buffer.alloc(65_536)
    } finally {
      letGo.resolve()
    }
  }
  for await (const _ of ageEncryption([recipient]).encrypt(endless())) break
  await letGo.promise
})

test('a pair of keys is made once, the secret one for its owner only', async (t) => {
  const { recipient, file } = await keys(t)
  assert.match(recipient, /^age1[a-z0-9]{58}$/)
  assert.equal(statSync(file).mode & 0o777, 0o600)
  assert.ok(readFileSync(file, 'utf8').includes(`# public key: ${recipient}\n`))
  await assert.rejects(generateKeys(file), /EEXIST/)
})

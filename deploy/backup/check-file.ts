import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { basename } from 'node:path'
import type { Manifest } from './manifest.ts'

const READ_BYTES = 1 << 20

/** The encrypted file's bytes. */
export const readBackup = (backup: string): AsyncIterable<Uint8Array> =>
  createReadStream(backup, { highWaterMark: READ_BYTES })

/**
 * Compares the encrypted file with its manifest.
 * @throws with what is different
 */
export async function checkFile(backup: string, manifest: Manifest, signal: AbortSignal): Promise<void> {
  if (manifest.file !== basename(backup))
    throw new Error(`the manifest of ${backup} is that of ${manifest.file}: they were swapped or renamed`)
  const { size } = await stat(backup)
  if (size !== manifest.size) {
    const what = size < manifest.size ? 'it was cut off' : 'it is another file, or something was added'
    throw new Error(`${backup} has ${size} bytes, its manifest says ${manifest.size}: ${what}`)
  }
  const hash = createHash('sha256')
  for await (const chunk of readBackup(backup)) {
    signal.throwIfAborted()
    hash.update(chunk)
  }
  const sha256 = hash.digest('hex')
  if (sha256 !== manifest.sha256) {
    throw new Error(
      `${backup} has the SHA-256 ${sha256}, its manifest says ${manifest.sha256}: it is damaged or was altered`,
    )
  }
}

import { rm } from 'node:fs/promises'
import { checkFile } from './check-file.ts'
import { type Compared, compareRestored } from './compare.ts'
import { onServer, onTemporaryServer } from './empty-database.ts'
import { chooseDecryption } from './encryption.ts'
import { readManifest, type Verification, verificationOf } from './manifest.ts'
import { restoreDump } from './pg-restore.ts'
import { findRestorer } from './programs.ts'
import { requireNewEnough } from './server.ts'
import { writeWhole } from './write-whole.ts'

export interface VerifyOptions {
  /** Path of the encrypted file. */
  backup: string
  /** File of age's secret keys. */
  identity?: string
  /** A server to make a database on for this; default: a temporary one on this machine. */
  into?: string
  /** File of `npm run audit -- anchor`. */
  anchorFile?: string
  /** Folder of PostgreSQL's programs; default: the usual places. */
  programs?: string
  signal: AbortSignal
  say: (line: string) => void
}

/**
 * Restores a backup into an empty database that is thrown away afterwards, and compares what is there with the manifest.
 * The result is kept beside the backup; that of an earlier time is taken back when the file or the comparison fails.
 * @throws with what is wrong
 */
export async function verifyBackup(
  options: VerifyOptions,
): Promise<Compared & { verification: Verification }> {
  const { backup, identity, into, anchorFile, programs, signal, say } = options
  const began = performance.now()
  const manifest = readManifest(backup)
  const decryption = chooseDecryption(manifest.encryption.by, identity)
  const program = await findRestorer(manifest, programs)
  const compare = async (databaseUrl: string): Promise<Compared> => {
    await requireNewEnough(databaseUrl, manifest)
    return judging(backup, signal, async () => {
      say('Decrypting and restoring ...')
      await restoreDump({ backup, decryption, program, databaseUrl, withGrants: false, signal })
      say('Comparing ...')
      return compareRestored({ databaseUrl, manifest, anchorFile, signal })
    })
  }
  say('Reading the file ...')
  await judging(backup, signal, () => checkFile(backup, manifest, signal))
  const compared = await (into === undefined ? onTemporaryServer(signal, compare) : onServer(into, compare))
  const verification: Verification = {
    format: 'weir-backup-verification-1',
    sha256: manifest.sha256,
    verified_at: new Date().toISOString(),
    seconds: Math.round((performance.now() - began) / 100) / 10,
    server_version: compared.server_version,
    tables: compared.tables,
    rows: compared.rows,
    audit_rows: compared.audit_rows,
  }
  await takeBack(backup)
  await writeWhole(verificationOf(backup), `${JSON.stringify(verification, null, 2)}\n`)
  return { ...compared, verification }
}

/** What fails here speaks against the backup: no server that is away, and nobody who ended it. */
async function judging<T>(backup: string, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    signal.throwIfAborted()
    await takeBack(backup)
    throw error
  }
}

const takeBack = (backup: string): Promise<void> => rm(verificationOf(backup), { force: true })

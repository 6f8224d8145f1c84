import { existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { manifestOf, readManifest, readVerification } from './manifest.ts'

/** A backup of a directory, or what is left of one. */
export interface Listed {
  /** Path of the encrypted file. */
  backup: string
  /**
   * complete: the file and its manifest are there, and the size is right. Else why it is no backup: it was not finished
   * (`partial`, by a process that was killed or is at it), its manifest or its file is missing or unreadable, or its size
   * is another one.
   */
  state: 'complete' | 'partial' | 'no manifest' | 'bad manifest' | 'no file' | 'wrong size'
  /** Bytes of the encrypted file. */
  size: number
  /** When the snapshot was taken, ISO 8601; null where there is no manifest to say it. */
  taken_at: string | null
  /** When it was restored and compared last, ISO 8601; null if never. */
  verified_at: string | null
  sha256: string | null
}

const BACKUP = /^(weir-.*\.dump\.(?:age|gpg))(\.json|\.partial)?$/

/**
 * The backups of a directory, the newest first.
 * @throws when it cannot be read
 */
export function listBackups(directory: string): Listed[] {
  const names = readdirSync(directory).flatMap((name) => BACKUP.exec(name)?.[1] ?? [])
  return [...new Set(names)]
    .map((name) => lookAt(join(directory, name)))
    .sort((a, b) => (a.backup < b.backup ? 1 : -1))
}

function lookAt(backup: string): Listed {
  const unknown = { backup, size: sizeOf(backup), taken_at: null, verified_at: null, sha256: null }
  if (!existsSync(manifestOf(backup)))
    return {
      ...unknown,
      state: existsSync(backup) ? 'no manifest' : 'partial',
      size: sizeOf(backup) || sizeOf(`${backup}.partial`),
    }
  try {
    const manifest = readManifest(backup)
    const missing = existsSync(backup) ? 'wrong size' : 'no file'
    return {
      backup,
      state: unknown.size === manifest.size ? 'complete' : missing,
      size: unknown.size,
      taken_at: manifest.facts.taken_at,
      verified_at: readVerification(backup, manifest)?.verified_at ?? null,
      sha256: manifest.sha256,
    }
  } catch {
    return { ...unknown, state: 'bad manifest' }
  }
}

const sizeOf = (file: string): number => statSync(file, { throwIfNoEntry: false })?.size ?? 0

/**
 * The backup that a path names: of a directory its newest complete one.
 * @throws when there is none
 */
export function backupAt(path: string): string {
  if (!existsSync(path)) throw new Error(`${path} is not there`)
  if (!statSync(path).isDirectory()) return path.replace(/\.json$/, '')
  const newest = listBackups(path).find(({ state }) => state === 'complete')
  if (newest === undefined) throw new Error(`${path} has no complete backup`)
  return newest.backup
}

import type pg from 'pg'
import { appendAudit, operator } from '../../schemas/audit.ts'
import { checkFile } from './check-file.ts'
import { type Compared, compareRestored } from './compare.ts'
import { placeOf } from './connection.ts'
import { chooseDecryption } from './encryption.ts'
import { OURS } from './facts.ts'
import { type Manifest, readManifest } from './manifest.ts'
import { restoreDump } from './pg-restore.ts'
import { findRestorer } from './programs.ts'
import { connected, requireNewEnough } from './server.ts'

export interface RestoreOptions {
  /** Path of the encrypted file. */
  backup: string
  /** File of age's secret keys. */
  identity?: string
  /** The empty database; its role becomes the owner. */
  databaseUrl: string
  /** Whether to grant what was granted in the old one. */
  withGrants: boolean
  /** Folder of PostgreSQL's programs; default: the usual places. */
  programs?: string
  signal: AbortSignal
  say: (line: string) => void
}

export interface Restored {
  /** host:port/database */
  database: string
  manifest: Manifest
  compared: Compared
  /** Keys of the API that are valid now; some may have been revoked after the backup. */
  valid_keys: { id: string; name: string }[]
}

/**
 * Restores a backup into an empty database, in one transaction, and compares it with the manifest. The audit tells of it.
 * @throws before anything is done when the database is not empty, is too old, or lacks roles
 */
export async function restoreBackup(options: RestoreOptions): Promise<Restored> {
  const { backup, identity, databaseUrl, withGrants, programs, signal, say } = options
  const manifest = readManifest(backup)
  const decryption = chooseDecryption(manifest.encryption.by, identity)
  const program = await findRestorer(manifest, programs)
  await requireNewEnough(databaseUrl, manifest)
  await connected(databaseUrl, async (client) => {
    await requireEmpty(client, databaseUrl)
    if (withGrants) await requireRoles(client, manifest.facts.roles)
  })
  say('Reading the file ...')
  await checkFile(backup, manifest, signal)
  say('Decrypting and restoring ...')
  await restoreDump({ backup, decryption, program, databaseUrl, withGrants, signal })
  say('Comparing ...')
  const compared = await compareRestored({ databaseUrl, manifest, signal })
  return connected(databaseUrl, async (client) => {
    if (manifest.facts.audit !== null) await tellAudit(client, manifest)
    say('Collecting statistics for the planner ...')
    await client.query('ANALYZE')
    return { database: placeOf(databaseUrl), manifest, compared, valid_keys: await validKeys(client) }
  })
}

async function requireEmpty(client: pg.Client, databaseUrl: string): Promise<void> {
  const { rows } = await client.query<{ name: string }>(
    `SELECT format('%I.%I', n.nspname, name) AS name
     FROM (SELECT relnamespace AS namespace, relname AS name, oid FROM pg_class
           UNION ALL SELECT pronamespace, proname, oid FROM pg_proc) object
     JOIN pg_namespace n ON n.oid = object.namespace
     WHERE ${OURS} AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = object.oid AND d.deptype = 'e')
     ORDER BY 1 LIMIT 4`,
  )
  if (rows.length === 0) return
  const names = rows.slice(0, 3).map((row) => row.name)
  throw new Error(
    `the database ${placeOf(databaseUrl)} is not empty: it has ${names.join(', ')}${rows.length > 3 ? ' and more' : ''}. ` +
      'A restore never changes what is there: make a new database (CREATE DATABASE), and restore into that.',
  )
}

async function requireRoles(client: pg.Client, roles: string[]): Promise<void> {
  const { rows } = await client.query<{ role: string }>(
    'SELECT role FROM unnest($1::text[]) AS role WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role) ORDER BY 1',
    [roles],
  )
  if (rows.length === 0) return
  throw new Error(
    `the server lacks roles that the backup grants something to: ${rows.map((row) => row.role).join(', ')}. Make them ` +
      'first, as on the old server, or restore with --no-privileges and grant afterwards.',
  )
}

async function tellAudit(client: pg.Client, { file, sha256, facts }: Manifest): Promise<void> {
  await appendAudit((text, values) => client.query(text, values), 'database.restore', operator(), {
    file,
    sha256,
    taken_at: facts.taken_at,
  })
}

async function validKeys(client: pg.Client): Promise<Restored['valid_keys']> {
  const { rows: has } = await client.query(`SELECT to_regclass('api_keys') IS NOT NULL AS keys`)
  if (!has[0].keys) return []
  const { rows } = await client.query<{ id: string; name: string }>(
    `SELECT id, name FROM api_keys
     WHERE revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now()) ORDER BY created_at, id`,
  )
  return rows
}

import { readFileSync } from 'node:fs'
import { mkdir, rm } from 'node:fs/promises'
import { findPackageJSON } from 'node:module'
import { join } from 'node:path'
import { connectionEnvironment } from './connection.ts'
import type { Encryption } from './encryption.ts'
import { endOnAbort } from './end-on-abort.ts'
import { beginSnapshot, factsOf } from './facts.ts'
import { type Facts, type Manifest, manifestOf } from './manifest.ts'
import { type Program, startProgram } from './program.ts'
import { findProgram, type PostgresProgram } from './programs.ts'
import { connected, type Server, serverOf } from './server.ts'
import { writeWhole } from './write-whole.ts'

export interface CreateOptions {
  databaseUrl: string
  directory: string
  encryption: Encryption
  /** Folder of PostgreSQL's programs; default: the usual places. */
  programs?: string
  signal: AbortSignal
  /** Takes lines that tell how far it is. */
  say: (line: string) => void
  /** Takes the bytes that have been encrypted so far. */
  onProgress?: (bytes: number) => void
}

export interface Created {
  /** Path of the encrypted file. */
  backup: string
  manifest: Manifest
}

/** So long pg_dump waits for a table that somebody has locked: behind it, everybody else would wait. */
const LOCK_WAIT_MS = 60_000

/**
 * Makes a backup: pg_dump's output goes through the encryption into the file, and never to a disk as it is. What the
 * manifest says of the content is read in the very snapshot that is dumped.
 * @throws when any part fails; nothing is left then
 */
export async function createBackup(options: CreateOptions): Promise<Created> {
  const { databaseUrl, directory, programs, signal, say } = options
  const started = new Date()
  await mkdir(directory, { recursive: true, mode: 0o700 })
  return connected(databaseUrl, (client) =>
    endOnAbort(client, signal, async () => {
      const server = await serverOf(client)
      const program = await findProgram({
        name: 'pg_dump',
        minimum: server.major,
        since: `the server is PostgreSQL ${server.major}`,
        folder: programs,
      })
      await beginSnapshot(client)
      say('Reading what the database holds ...')
      const facts = await factsOf(client)
      const { rows } = await client.query<{ id: string }>('SELECT pg_export_snapshot() AS id')
      say('Dumping and encrypting ...')
      return writeBackup(options, { started, server, program, facts, snapshot: rows[0].id })
    }),
  )
}

interface Prepared {
  started: Date
  server: Server
  program: PostgresProgram
  facts: Facts
  snapshot: string
}

async function writeBackup(
  { databaseUrl, directory, encryption, signal, onProgress }: CreateOptions,
  { started, server, program, facts, snapshot }: Prepared,
): Promise<Created> {
  const file = `weir-${started.toISOString().replaceAll(/[-:]|\.\d+/g, '')}.dump.${encryption.by}`
  const backup = join(directory, file)
  const args = [
    '--format=custom',
    `--snapshot=${snapshot}`,
    `--lock-wait-timeout=${LOCK_WAIT_MS}`,
    '--no-unlogged-table-data',
    '--no-password',
  ]
  const dump = startProgram(program.command, args, connectionEnvironment(databaseUrl))
  const stop = () => void dump.stop()
  signal.addEventListener('abort', stop)
  try {
    const written = await writeWhole(backup, encryption.encrypt(outputOf(dump, onProgress)))
    const manifest: Manifest = {
      format: 'weir-backup-1',
      file,
      ...written,
      encryption: { by: encryption.by, recipients: encryption.recipients },
      started_at: started.toISOString(),
      ended_at: new Date().toISOString(),
      weir_version: weirVersion(),
      database: server.database,
      server_version: server.version,
      server_major: server.major,
      pg_dump_version: program.version,
      pg_dump_major: program.major,
      facts,
    }
    await writeManifest(backup, manifest)
    return { backup, manifest }
  } finally {
    signal.removeEventListener('abort', stop)
    await dump.stop()
  }
}

/** All that the program writes; its failure, after whatever it wrote, is the output's. */
async function* outputOf(dump: Program, onProgress?: (bytes: number) => void): AsyncGenerator<Uint8Array> {
  let bytes = 0
  for await (const chunk of dump.stdout) {
    bytes += (chunk as Uint8Array).length
    onProgress?.(bytes)
    yield chunk as Uint8Array
  }
  await dump.ended
}

/** A backup without its manifest is none. */
async function writeManifest(backup: string, manifest: Manifest): Promise<void> {
  try {
    await writeWhole(manifestOf(backup), `${JSON.stringify(manifest, null, 2)}\n`)
  } catch (error) {
    await rm(backup, { force: true })
    throw error
  }
}

/** Where the code is compiled, its package.json is a folder further up. */
function weirVersion(): string {
  const text = readFileSync(findPackageJSON(import.meta.url)!, 'utf8')
  return (JSON.parse(text) as { version: string }).version
}

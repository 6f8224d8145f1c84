import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { globSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { text } from 'node:stream/consumers'
import { generateKeys } from '../../deploy/backup/age.ts'
import { Guardian } from '../../deploy/local/guardian-client.ts'
import { newPassword, startPostgres } from '../../deploy/local/postgres.ts'
import { migrate } from '../../schemas/migrate.ts'
import { query, type Scope } from '../harness.ts'
import { quiet } from './topics.ts'

/**
 * Backups are tested with the system's own PostgreSQL: the one that comes by npm has no pg_dump. Debian and Ubuntu have it
 * by `apt install postgresql`.
 */
const system = globSync('/usr/lib/postgresql/*/bin/postgres')
  .sort((a, b) => a.localeCompare(b, 'en', { numeric: true }))
  .at(-1)

/** Folder of its programs. */
export const SYSTEM_PROGRAMS = system === undefined ? '' : dirname(system)

/** For a test's `skip`: false where the server is there, else what is missing. */
export const NO_SYSTEM_POSTGRES: string | false =
  system === undefined &&
  'no PostgreSQL in /usr/lib/postgresql, whose pg_dump it needs (apt install postgresql)'
if (NO_SYSTEM_POSTGRES) console.error(`SKIPPED, NOT TESTED: backups: ${NO_SYSTEM_POSTGRES}`)

/** Starts the system's PostgreSQL until the test's end. @returns the URL of an empty database, whose role may make others */
export async function systemPostgres(t: Scope): Promise<string> {
  const guardian = await Guardian.start(null)
  t.after(() => guardian.close())
  const server = await startPostgres({
    guardian,
    ports: undefined,
    password: newPassword(),
    onEnd: () => {},
    programs: SYSTEM_PROGRAMS,
  })
  return server.url
}

/** A database on the server; it goes with the server. */
export async function databaseOn(server: string, { migrated = false } = {}): Promise<string> {
  const name = `test_${randomBytes(6).toString('hex')}`
  await query(server, `CREATE DATABASE ${name} TEMPLATE template0`)
  const url = new URL(server)
  url.pathname = name
  if (migrated) await migrate(url.href, quiet)
  return url.href
}

/** A directory for the test alone. */
export function directoryFor(t: Scope): string {
  const directory = mkdtempSync(join(tmpdir(), 'backup-test-'))
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

export interface Keys {
  identity: string
  recipients: string
}

/** Files of a pair of age's keys. */
export async function keysFor(t: Scope): Promise<Keys> {
  const directory = directoryFor(t)
  const identity = join(directory, 'identity.txt')
  const recipients = join(directory, 'recipients.txt')
  writeFileSync(recipients, `# of the test\n${await generateKeys(identity)}\n`)
  return { identity, recipients }
}

export interface Ended {
  code: number | null
  out: string
  errors: string
  json: () => Record<string, unknown>
}

/** A command of Weir's that runs. */
export interface Running {
  child: ChildProcess
  ended: Promise<Ended>
}

/** Starts `npm run <name> -- …`. @param env what stands in its environment, beside where programs are */
export function startCommand(env: Record<string, string>, ...args: string[]): Running {
  const child = spawn(process.execPath, ['--import', 'tsx', 'deploy/weir.ts', ...args], {
    env: { PATH: process.env.PATH, HOME: process.env.HOME, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const ended = Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]).then(
    ([out, errors]) => ({ code: child.exitCode, out, errors, json: () => JSON.parse(out) }),
  )
  return { child, ended }
}

/** The same, to its end. */
export const runBackup = (databaseUrl: string, ...args: string[]): Promise<Ended> =>
  startCommand({ DATABASE_URL: databaseUrl }, 'backup', ...args).ended

/** A server's URL as it may stand in an argument, and the password for the environment. */
export function withoutPassword(databaseUrl: string): { url: string; PGPASSWORD: string } {
  const url = new URL(databaseUrl)
  const PGPASSWORD = decodeURIComponent(url.password)
  url.password = ''
  return { url: url.href, PGPASSWORD }
}

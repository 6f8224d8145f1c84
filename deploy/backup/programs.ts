import { execFile } from 'node:child_process'
import { globSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Manifest } from './manifest.ts'

/** PostgreSQL's own programs for dumps: pg_dump refuses servers newer than itself, pg_restore newer dumps. */

export interface PostgresProgram {
  command: string
  /** Such as 15.18. */
  version: string
  major: number
}

/** Where packages put the programs of several versions side by side: Debian's, Red Hat's, Homebrew's. */
const PLACES = [
  '/usr/lib/postgresql/*/bin',
  '/usr/pgsql-*/bin',
  '/opt/homebrew/opt/{libpq,postgresql@*}/bin',
  '/usr/local/opt/{libpq,postgresql@*}/bin',
]

export interface Wanted {
  name: 'pg_dump' | 'pg_restore'
  /** Major version that it must have at least. */
  minimum: number
  /** Why, as in "the server is PostgreSQL 18". */
  since: string
  /** Folder to look in instead of the usual places and PATH. */
  folder?: string
}

/**
 * The first that is new enough: of the packages' places, in the order of the versions, then of PATH (where Debian has a
 * wrapper that chooses a version by itself).
 * @throws with what was found and how to get what is needed
 */
export async function findProgram({ name, minimum, since, folder }: Wanted): Promise<PostgresProgram> {
  const commands =
    folder === undefined ? [...PLACES.flatMap((place) => installed(place, name)), name] : [join(folder, name)]
  const found: PostgresProgram[] = []
  for (const command of commands) {
    const program = await programAt(command)
    if (program === null) continue
    if (program.major >= minimum) return program
    found.push(program)
  }
  const instead =
    found.length === 0
      ? `there is none${folder === undefined ? '' : ` in ${folder}`}`
      : `found: ${found.map(({ command, version }) => `${command} ${version}`).join(', ')}`
  throw new Error(
    `${name} ${minimum} or later is needed, since ${since}; ${instead}. Install PostgreSQL's client programs (Debian, ` +
      `Ubuntu: apt install postgresql-client-${minimum}, from apt.postgresql.org if the system has older ones only; ` +
      `macOS: brew install libpq), or name their folder by --programs.`,
  )
}

/** The pg_restore for a backup. @throws as findProgram does */
export const findRestorer = (
  { pg_dump_major, pg_dump_version }: Pick<Manifest, 'pg_dump_major' | 'pg_dump_version'>,
  folder: string | undefined,
): Promise<PostgresProgram> =>
  findProgram({
    name: 'pg_restore',
    minimum: pg_dump_major,
    since: `the backup was made by pg_dump ${pg_dump_version}`,
    folder,
  })

const installed = (place: string, name: string): string[] =>
  globSync(join(place, name)).sort((a, b) => a.localeCompare(b, 'en', { numeric: true }))

/** null where there is no such program. */
async function programAt(command: string): Promise<PostgresProgram | null> {
  const { stdout } = await promisify(execFile)(command, ['--version']).catch(() => ({ stdout: '' }))
  const [, version, major] = /\(PostgreSQL\) ((\d+)\S*)/.exec(stdout) ?? []
  return version === undefined ? null : { command, version, major: Number(major) }
}

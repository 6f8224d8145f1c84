import { readFileSync } from 'node:fs'

/** Where a setting's value stands: in the environment, in the file that NAME_FILE names, among Docker's secrets. */
export interface Source {
  /** Whether it is in a file, where another value may stand later. */
  isFile: boolean
  /** The value that is there now. @throws naming the variable and the file, never what they hold */
  read(): string
}

const SECRETS = '/run/secrets'
const SECRET = /DOCKER-SECRET:([A-Za-z0-9._-]*)/g

/**
 * @param names of the setting: its own, and the older one that still works
 * @returns undefined where none of its variables is set, or to nothing
 * @throws when several are
 */
export function sourceOf(names: readonly string[], env: NodeJS.ProcessEnv): Source | undefined {
  const set = names
    .flatMap((name) => [
      { variable: name, isFile: false },
      { variable: `${name}_FILE`, isFile: true },
    ])
    .filter(({ variable }) => env[variable])
  if (set.length > 1)
    throw new Error(`${names[0]}: ${set.map((s) => s.variable).join(' and ')} are both set; keep one of them`)
  if (set.length === 0) return undefined
  const [{ variable, isFile }] = set
  const given = env[variable]!
  return {
    isFile: isFile || given.includes('DOCKER-SECRET:'),
    read() {
      try {
        return withDockerSecrets(isFile ? textOf(given) : given)
      } catch (cause) {
        throw new Error(`${variable}: ${(cause as Error).message}`, { cause })
      }
    },
  }
}

/** Docker itself does not replace it. In a URL a secret may hold what would end its part there: it is encoded. */
function withDockerSecrets(value: string): string {
  const inUrl = /^[a-z]+:\/\//i.test(value)
  return value.replaceAll(SECRET, (_, name: string) => {
    if (name === '')
      throw new Error('DOCKER-SECRET: is followed by no name (letters, digits, dots, dashes, underscores)')
    const text = textOf(`${SECRETS}/${name}`)
    return inUrl ? encodeURIComponent(text) : text
  })
}

/** A file's only line. The line break that editors and `echo` leave at the end is none of the value, blanks are. */
function textOf(path: string): string {
  const text = readText(path).replace(/[\r\n]+$/, '')
  if (text.trim() === '') throw new Error(`${path} is empty`)
  if (/[\r\n\0]/.test(text)) throw new Error(`${path} holds more than one line; a value is one`)
  return text
}

const REASONS: Record<string, string> = {
  ENOENT: 'is not there',
  EACCES: 'may not be read by this user',
  EISDIR: 'is a directory, no file',
}

/** @throws naming the file and why it cannot be read */
export function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (cause) {
    const { code = '', message } = cause as NodeJS.ErrnoException
    throw new Error(code in REASONS ? `${path} ${REASONS[code]}` : message, { cause })
  }
}

/** How to read again what came from a file, by the setting and the value that it had at the start. */
const readers = new Map<string, () => string>()

const keyOf = (name: string, value: string): string => `${name}=${value}`

/** What is wrong with the file of a setting since it was read last, by the setting. */
const unusable = new Map<string, string>()

/** @param read the value of now; throws when it is none that could be used */
export function rememberSource(name: string, value: string, read: () => string): void {
  let last = value
  readers.set(keyOf(name, value), () => {
    try {
      last = read()
      unusable.delete(name)
    } catch (error) {
      // The file is just being written anew, most likely: what was there before may still be right.
      unusable.set(name, (error as Error).message)
    }
    return last
  })
}

/** Why the setting's file was not taken when it was read last, for who could not connect by the value before; undefined if it was. */
export function fileAdvice(name: string): string | undefined {
  const fault = unusable.get(name)
  return fault && `The file of ${name} was not taken, and what it held before still counts: ${fault}`
}

/**
 * What a setting says at this moment, for whoever makes a connection: where it came from a file, that is read again.
 * @param value what the setting was at the start
 */
export const currentValue = (name: string, value: string): string =>
  readers.get(keyOf(name, value))?.() ?? value

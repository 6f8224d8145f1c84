import { readFileSync } from 'node:fs'

/** Files of keys as age has them: one a line, and comments. */

const RECIPIENT = /^age1[a-z0-9]+$/
const IDENTITY = /^AGE-SECRET-KEY-(?:PQ-)?1[A-Z0-9]+$/

/**
 * Reads public keys.
 * @throws when there is none, and with the number of a line that is none; a secret key is told without showing it
 */
export function readRecipients(file: string): string[] {
  const keys = linesOf(file)
  for (const { text, where } of keys) {
    if (IDENTITY.test(text)) {
      throw new Error(
        `${where} is a secret key. Only the public one (age1...) belongs here: keep the secret one away from this machine.`,
      )
    }
    if (!RECIPIENT.test(text)) throw new Error(`${where} is no public key of age (age1...)`)
  }
  if (keys.length === 0) throw new Error(`${file} has no public key: to whom should the backup be encrypted?`)
  return keys.map(({ text }) => text)
}

/**
 * Reads secret keys.
 * @param file - for the standard input
 * @throws when there is none, and with the number of a line that is none, which is not shown
 */
export function readIdentities(file: string): string[] {
  const keys = linesOf(file)
  for (const { text, where } of keys) {
    if (RECIPIENT.test(text))
      throw new Error(`${where} is a public key: the secret one is needed to read a backup`)
    if (!IDENTITY.test(text)) {
      throw new Error(
        `${where} is no secret key of age (AGE-SECRET-KEY-...). A file that has a passphrase: age -d FILE | npm run backup -- ... --identity -`,
      )
    }
  }
  if (keys.length === 0) throw new Error(`${nameOf(file)} has no secret key`)
  return keys.map(({ text }) => text)
}

const nameOf = (file: string): string => (file === '-' ? 'the standard input' : file)

function linesOf(file: string): { text: string; where: string }[] {
  return readFileSync(file === '-' ? 0 : file, 'utf8')
    .split('\n')
    .map((line, i) => ({ text: line.trim(), where: `${nameOf(file)}:${i + 1}` }))
    .filter(({ text }) => text !== '' && !text.startsWith('#'))
}

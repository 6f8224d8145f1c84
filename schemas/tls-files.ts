import { X509Certificate } from 'node:crypto'
import { createSecureContext, getCACertificates } from 'node:tls'
import { certificatesIn } from './pem.ts'
import { readText } from './setting-values.ts'
import { SettingsError } from './settings-error.ts'

/** A PEM file, and what names it, for messages. */
export interface TlsFile {
  setting: string
  path: string
}

/** Whom one end trusts, and who it is. */
export interface TlsFiles {
  /** Without it: the authorities that come with Node. */
  ca?: TlsFile
  /** Its certificate with the intermediate ones, and its key. Both or none. */
  cert?: TlsFile
  key?: TlsFile
}

export interface TlsMaterial {
  ca?: string | string[]
  cert?: string
  key?: string
}

/** Instead of a file of authorities: those that the system trusts, as libpq has it. */
export const SYSTEM_CA = 'system'

/** What could be used last, by the files. */
const lastGood = new Map<string, TlsMaterial>()

/**
 * Reads the files, for one connection: they may be others than for the one before, and while just one of a pair is new, or
 * one is being written, what was there before is taken.
 * @throws SettingsError when they cannot be used from the start
 */
export function readTlsFiles(files: TlsFiles): TlsMaterial {
  const key = JSON.stringify(files)
  try {
    const material = read(files)
    lastGood.set(key, material)
    return material
  } catch (error) {
    const before = lastGood.get(key)
    if (before === undefined) throw error
    return before
  }
}

function read({ ca, cert, key }: TlsFiles): TlsMaterial {
  const material = {
    ca: ca && authorities(ca),
    cert: cert && pem(cert, CERTIFICATE),
    key: key && pem(key, KEY),
  }
  const names = [ca, cert, key].filter((file) => file !== undefined).map((file) => file.setting)
  if (names.length === 0) return material
  try {
    createSecureContext(material)
  } catch (cause) {
    const what = cert === undefined ? 'cannot be used' : 'cannot be used (are certificate and key a pair?)'
    throw new SettingsError([`${names.join(', ')}: ${what}: ${(cause as Error).message}`])
  }
  return material
}

const CERTIFICATE = { what: 'certificate', pattern: /-----BEGIN CERTIFICATE-----/ }
const KEY = { what: 'private key without a passphrase', pattern: /-----BEGIN ((RSA|EC) )?PRIVATE KEY-----/ }

/** Node passes over authorities that it cannot read: then nobody would be trusted, without a word. */
function authorities(file: TlsFile): string | string[] {
  if (file.path === SYSTEM_CA) return getCACertificates('system')
  const text = pem(file, CERTIFICATE)
  const blocks = certificatesIn(text)
  try {
    if (blocks.length < text.split('-----BEGIN CERTIFICATE-----').length - 1) throw new Error('it is cut off')
    for (const block of blocks) new X509Certificate(block)
  } catch (cause) {
    const { setting, path } = file
    throw new SettingsError([
      `${setting}: ${path} holds a certificate that cannot be read: ${(cause as Error).message}`,
    ])
  }
  return text
}

function pem({ setting, path }: TlsFile, { what, pattern }: typeof KEY): string {
  let text: string
  try {
    text = readText(path)
  } catch (cause) {
    throw new SettingsError([`${setting}: ${(cause as Error).message}`])
  }
  if (!pattern.test(text)) throw new SettingsError([`${setting}: ${path} holds no PEM ${what}`])
  return text
}

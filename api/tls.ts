import { readFileSync, unwatchFile, watchFile } from 'node:fs'
import type { Server } from 'node:https'
import { createSecureContext } from 'node:tls'
import type { Logger } from '../schemas/log.ts'
import type { ApiSettings } from './context.ts'
import type { TlsFiles } from './server.ts'

/**
 * @returns the certificate and key that the settings name, or undefined when they name none
 * @throws when only one is named, one cannot be read, or they do not belong together
 */
export function readTls({ TLS_CERT_FILE, TLS_KEY_FILE }: ApiSettings): TlsFiles | undefined {
  if (TLS_CERT_FILE === undefined && TLS_KEY_FILE === undefined) return undefined
  if (TLS_CERT_FILE === undefined) throw new Error('TLS_CERT_FILE: not set, though TLS_KEY_FILE is')
  if (TLS_KEY_FILE === undefined) throw new Error('TLS_KEY_FILE: not set, though TLS_CERT_FILE is')
  const files = { cert: read('TLS_CERT_FILE', TLS_CERT_FILE), key: read('TLS_KEY_FILE', TLS_KEY_FILE) }
  try {
    createSecureContext(files)
  } catch (cause) {
    throw new Error(`TLS_CERT_FILE and TLS_KEY_FILE are no pair: ${(cause as Error).message}`, { cause })
  }
  return files
}

function read(name: string, path: string): Buffer {
  try {
    return readFileSync(path)
  } catch (cause) {
    throw new Error(`${name}: ${(cause as Error).message}`, { cause })
  }
}

/**
 * Takes a certificate that was renewed for new connections; a pair that does not fit, as while only one of the files
 * is new, is left alone until it does.
 * @param everyMs how often the files are looked at; they are compared by time, so that links to others are followed
 * @returns ends it
 */
export function reloadTls(server: Server, settings: ApiSettings, log: Logger, everyMs = 5000): () => void {
  const paths = [settings.TLS_CERT_FILE, settings.TLS_KEY_FILE].filter((path) => path !== undefined)
  const take = (): void => {
    try {
      const files = readTls(settings)
      if (files) server.setSecureContext({ ...files, minVersion: 'TLSv1.2' })
      log.info('the certificate was read again')
    } catch (error) {
      log.warn({ err: error }, 'the certificate changed and cannot be used; the one before stays')
    }
  }
  for (const path of paths) watchFile(path, { interval: everyMs, persistent: false }, take)
  return () => {
    for (const path of paths) unwatchFile(path, take)
  }
}

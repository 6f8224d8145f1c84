import { X509Certificate } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { Gauge, type Registry } from 'prom-client'
import { certificatesIn } from './pem.ts'

/** A metric of when the certificates expire that the settings name: the process's own, and those that it trusts. */
export function observeCertificates(registry: Registry, settings: object): void {
  const read = createReader()
  new Gauge({
    name: 'weir_certificate_expiry_timestamp_seconds',
    help: 'When the first of the certificates expires that a setting names',
    labelNames: ['setting'],
    registers: [registry],
    collect() {
      this.reset()
      for (const [setting, path] of certificateFiles(settings)) {
        const expiry = read(path)
        if (expiry !== undefined) this.set({ setting }, expiry / 1000)
      }
    },
  })
}

/** Files of PEM certificates by the setting that names them: `…_CERT_FILE`, `…_CA_FILE`, and those in the database's URL. */
export function certificateFiles(settings: object): Map<string, string> {
  const files = new Map<string, string>()
  for (const [name, value] of Object.entries(settings)) {
    if (typeof value !== 'string') continue
    if (/_(CERT|CA)_FILE$/.test(name)) files.set(name, value)
    if (name === 'DATABASE_URL') {
      const { searchParams } = new URL(value)
      for (const parameter of ['sslrootcert', 'sslcert']) {
        const path = searchParams.get(parameter)
        if (path !== null) files.set(parameter, path)
      }
    }
  }
  return files
}

/** @returns tells when the first certificate of a file expires, milliseconds since 1970; a file is read again when it changes */
function createReader(): (path: string) => number | undefined {
  const known = new Map<string, { changedAt: number; expiry: number | undefined }>()
  return (path) => {
    try {
      const changedAt = statSync(path).mtimeMs
      let entry = known.get(path)
      if (entry?.changedAt !== changedAt) {
        entry = { changedAt, expiry: firstExpiry(readFileSync(path, 'utf8')) }
        known.set(path, entry)
      }
      return entry?.expiry
    } catch {
      // Whoever uses the file says what is wrong with it.
      return undefined
    }
  }
}

/** @returns milliseconds since 1970; undefined where there is no certificate */
function firstExpiry(pem: string): number | undefined {
  const times = certificatesIn(pem).map((text) => Date.parse(new X509Certificate(text).validTo))
  return times.length === 0 ? undefined : Math.min(...times)
}

import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Scope } from '../harness.ts'

/** Why a test that makes certificates is skipped: nothing of Node's signs them. False where it runs. */
export const withoutOpenssl: string | false = (() => {
  try {
    execFileSync('openssl', ['version'], { stdio: 'ignore' })
    return false
  } catch {
    return 'openssl is not installed (Debian, Ubuntu: apt install openssl)'
  }
})()

/** A certificate that is its own authority. @param extensions such as `subjectAltName=DNS:localhost` */
export function selfSigned(
  files: Certificate,
  { name, days = 2, extensions = [] }: { name: string; days?: number; extensions?: string[] },
): void {
  const added = extensions.flatMap((extension) => ['-addext', extension])
  const out = ['-keyout', files.key, '-out', files.cert]
  const args = ['req', '-x509', ...NEW_KEY, '-days', String(days), '-subj', `/CN=${name}`, ...added, ...out]
  execFileSync('openssl', args, { stdio: 'ignore' })
}

/** PEM files. */
export interface Certificate {
  cert: string
  key: string
}

/** Signs certificates, for two days; its files are gone at the test's end. */
export class Authority {
  /** Its own certificate, which whoever trusts it is given. */
  readonly ca: string
  readonly #directory: string

  constructor(t: Scope, name = 'Weir test authority') {
    this.#directory = mkdtempSync(join(tmpdir(), 'weir-authority-'))
    t.after(() => rmSync(this.#directory, { recursive: true, force: true }))
    this.ca = this.#path('ca.crt')
    const config = this.#config('ca', [
      'basicConstraints = critical,CA:TRUE',
      'keyUsage = critical,keyCertSign',
    ])
    const files = ['-keyout', 'ca.key', '-out', 'ca.crt']
    this.#openssl('req', '-x509', ...NEW_KEY, ...config, ...DAYS, '-subj', `/CN=${name}`, ...files)
  }

  /**
   * A certificate for a server or a client.
   * @param name its subject's common name
   * @param hosts as in a certificate: `IP:127.0.0.1`, `DNS:localhost`
   */
  issue(name: string, ...hosts: string[]): Certificate {
    const extensions = ['basicConstraints = critical,CA:FALSE', 'extendedKeyUsage = serverAuth,clientAuth']
    if (hosts.length > 0) extensions.push(`subjectAltName = ${hosts.join(',')}`)
    const [, file] = this.#config(name, extensions)
    const request = `${name}.csr`
    const subject = ['-subj', `/CN=${name}`]
    this.#openssl(
      'req',
      '-new',
      ...NEW_KEY,
      '-config',
      file,
      ...subject,
      '-keyout',
      `${name}.key`,
      '-out',
      request,
    )
    const signed = ['-CA', 'ca.crt', '-CAkey', 'ca.key', '-CAcreateserial', ...DAYS]
    const extended = ['-extfile', file, '-extensions', 'extensions']
    this.#openssl('x509', '-req', '-in', request, ...signed, ...extended, '-out', `${name}.crt`)
    return { cert: this.#path(`${name}.crt`), key: this.#path(`${name}.key`) }
  }

  /** The system's configuration says nothing here: what it adds differs. */
  #config(name: string, extensions: string[]): ['-config', string] {
    const lines = ['[req]', 'distinguished_name = subject', 'x509_extensions = extensions', 'prompt = no']
    lines.push('[subject]', 'CN = unnamed', '[extensions]', ...extensions)
    writeFileSync(this.#path(`${name}.cnf`), `${lines.join('\n')}\n`)
    return ['-config', `${name}.cnf`]
  }

  #openssl(...args: string[]): void {
    execFileSync('openssl', args, { cwd: this.#directory, stdio: ['ignore', 'ignore', 'pipe'] })
  }

  #path(file: string): string {
    return join(this.#directory, file)
  }
}

const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']
const DAYS = ['-days', '2']

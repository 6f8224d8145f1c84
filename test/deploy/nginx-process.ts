import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { type IncomingMessage, request as requestHttp } from 'node:http'
import { request as requestHttps } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { freePort } from '../../deploy/local/free-ports.ts'
import { type Scope, until } from '../harness.ts'
import { selfSigned } from '../support/certificates.ts'
import { findDebianProgram } from '../tools/debian.ts'

/** A real nginx with the files of deploy/nginx, on loopback, with a certificate of its own. */

export const HOST = 'localhost'

/** The one that the check names, else Debian's; undefined when there is none. */
const nginxProgram = process.env.NGINX || findDebianProgram('nginx', 'nginx')
export const withoutNginx =
  nginxProgram === undefined &&
  'there is no nginx: install Debian’s package nginx-light, or npm run check:deploy'
if (withoutNginx) console.error(`LEFT OUT: ${withoutNginx}`)

export interface Nginx {
  https: number
  http: number
  /** The certificate, as PEM. */
  ca: string
  /** Whether it knows `http2 on`. */
  hasHttp2: boolean
  /** A call over https. */
  call(path: string, options?: CallOptions): Promise<Answer>
  /** A call over plain http. */
  plain(path: string, options?: CallOptions): Promise<Answer>
  /** What nginx logged of calls. */
  accessLog(): Promise<string>
  /** What it logged of errors. */
  errorLog(): string
}

export interface CallOptions {
  method?: string
  headers?: Record<string, string>
  body?: string
  /** The client's address; default 127.0.0.1. */
  from?: string
}

export interface Answer {
  status: number
  headers: NodeJS.Dict<string | string[]>
  /** The names as they came, in lower case, each as often as it came. */
  names: string[]
  body: string
}

/** Starts it; it is gone at the test's end. @param apis ports of loopback that it hands calls on to */
export async function startNginx(t: Scope, apis: number[]): Promise<Nginx> {
  const directory = await mkdtemp(join(tmpdir(), 'weir-nginx-'))
  t.after(() => rm(directory, { recursive: true, force: true }))
  const files = { key: join(directory, 'tls.key'), cert: join(directory, 'tls.crt') }
  selfSigned(files, { name: HOST, extensions: [`subjectAltName=DNS:${HOST}`] })
  const ca = await readFile(files.cert, 'utf8')
  const http = await freePort('127.0.0.1', 0)
  const https = await freePort('127.0.0.1', 0)
  const hasHttp2 = knowsHttp2()
  await writeFiles(directory, { http, https, apis, hasHttp2 })
  const errorLog = run(t, directory)
  // It answers this one itself.
  await until(() => call('http', http, '', '/metrics', {}), { what: 'nginx to answer' })
  return {
    http,
    https,
    ca,
    hasHttp2,
    call: (path, options = {}) => call('https', https, ca, path, options),
    plain: (path, options = {}) => call('http', http, ca, path, options),
    accessLog: () => readFile(join(directory, 'access.log'), 'utf8'),
    errorLog,
  }
}

/** From 1.25.1 on. */
function knowsHttp2(): boolean {
  const version = execFileSync('sh', ['-c', '"$1" -v 2>&1', 'sh', nginxProgram!], { encoding: 'utf8' })
  const [, minor, patch] = /nginx\/1\.(\d+)\.(\d+)/.exec(version)!.map(Number)
  return minor > 25 || (minor === 25 && patch >= 1)
}

interface Places {
  http: number
  https: number
  apis: number[]
  hasHttp2: boolean
}

/** The files as they are shipped; only their places are this test's. */
async function writeFiles(directory: string, { http, https, apis, hasHttp2 }: Places): Promise<void> {
  const shipped = (name: string): Promise<string> => readFile(`deploy/nginx/${name}`, 'utf8')
  const weir = (await shipped('weir.conf'))
    .replace('listen 8080 ', `listen 127.0.0.1:${http} `)
    .replace('listen 8443 ', `listen 127.0.0.1:${https} `)
    .replaceAll('/etc/nginx/tls', directory)
    .replace('/dev/stdout', join(directory, 'access.log'))
  const site = (await shipped('site.conf'))
    .replace(/^resolver .*\n/m, '')
    .replace(/^ *server api:8000 resolve (.*)\n/m, (_, rest) =>
      apis.map((port) => `  server 127.0.0.1:${port} ${rest}\n`).join(''),
    )
  let main = (await shipped('nginx.conf'))
    .replaceAll('/tmp/', `${directory}/`)
    .replaceAll('/etc/nginx/weir', directory)
  if (!hasHttp2) main = main.replace('http2 on;', '')
  await writeFile(join(directory, 'weir.conf'), weir)
  await writeFile(join(directory, 'site.conf'), site)
  await writeFile(join(directory, 'nginx.conf'), main)
  // A file where a directory would be: what would put a body on a disk fails.
  for (const [, name] of main.matchAll(/_temp_path \S+\/(\w+);/g)) await writeFile(join(directory, name), '')
}

/** @returns what it has written to stderr */
function run(t: Scope, directory: string): () => string {
  const args = ['-e', 'stderr', '-p', directory, '-c', join(directory, 'nginx.conf'), '-g', 'daemon off;']
  const child = spawn(nginxProgram!, args, { stdio: ['ignore', 'ignore', 'pipe'] })
  let errors = ''
  child.stderr.on('data', (data) => {
    errors += data
  })
  const ended = once(child, 'exit')
  t.after(async () => {
    child.kill('SIGQUIT')
    const timer = setTimeout(() => child.kill('SIGTERM'), 1000)
    await ended
    clearTimeout(timer)
  })
  child.once('exit', (code) => {
    if (code !== 0) console.error(`nginx ended with ${code}: ${errors}`)
  })
  return () => errors
}

function call(
  scheme: 'http' | 'https',
  port: number,
  ca: string,
  path: string,
  options: CallOptions,
): Promise<Answer> {
  const { method = 'GET', headers = {}, body, from } = options
  const where = { host: '127.0.0.1', port, path, method, agent: false as const, localAddress: from }
  const request = { ...where, headers: { Host: HOST, ...headers } }
  return new Promise((resolve, reject) => {
    const take = async (answer: IncomingMessage): Promise<void> => {
      const names = answer.rawHeaders.filter((_, i) => i % 2 === 0).map((name) => name.toLowerCase())
      try {
        resolve({ status: answer.statusCode!, headers: answer.headers, names, body: await text(answer) })
      } catch (error) {
        reject(error)
      }
    }
    const sent =
      scheme === 'https'
        ? requestHttps({ ...request, ca, servername: HOST }, take)
        : requestHttp(request, take)
    sent.on('error', reject)
    sent.end(body)
  })
}

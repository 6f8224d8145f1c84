import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { type IncomingMessage, request as requestHttp } from 'node:http'
import { request as requestHttps } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { freePort } from '../../deploy/local/free-ports.ts'
import type { Name } from '../../schemas/settings.ts'
import { controllableServers, type Scope, until } from '../harness.ts'
import { type ApiProcess, apiProcess } from '../support/api-process.ts'
import { selfSigned } from '../support/certificates.ts'

/** Two real processes of the API behind a real nginx with deploy/nginx/weir.conf, on loopback, with a certificate of its own. */

export const KEY = 'a-key-for-the-edge-only'
const HOST = 'localhost'

export interface Edge {
  databaseUrl: string
  apis: ApiProcess[]
  https: number
  http: number
  /** The certificate, as PEM. */
  ca: string
  /** A call over https, with the key unless `bare`. */
  call(path: string, options?: CallOptions): Promise<Answer>
  /** A call over plain http. */
  plain(path: string, options?: CallOptions): Promise<Answer>
  /** What nginx logged of calls. */
  accessLog(): Promise<string>
}

export interface CallOptions {
  method?: string
  headers?: Record<string, string>
  body?: string
  bare?: boolean
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

/** Starts all of it; it is gone at the test's end. @param nginx the program */
export async function edge(
  t: Scope,
  nginx: string,
  settings: Partial<Record<Name, string>> = {},
): Promise<Edge> {
  const { DATABASE_URL } = await controllableServers(t)
  const env = {
    DATABASE_URL,
    API_KEY: KEY,
    NODE_ENV: 'production',
    TRUSTED_PROXIES: '1',
    LOG_LEVEL: 'warn',
    ...settings,
  }
  const apis = await Promise.all([
    apiProcess(t, { ...env, LOG_LEVEL: 'info' }),
    apiProcess(t, { ...env, LOG_LEVEL: 'info' }),
  ])
  const directory = await mkdtemp(join(tmpdir(), 'weir-edge-'))
  t.after(() => rm(directory, { recursive: true, force: true }))
  const ca = await certificate(directory)
  const http = await freePort('127.0.0.1', 0)
  const https = await freePort('127.0.0.1', 0)
  await startNginx(t, nginx, directory, { http, https, apis: apis.map(({ url }) => new URL(url).port) })
  await until(() => call('http', http, '', '/health/live', {}), { what: 'nginx to answer' })
  return {
    databaseUrl: DATABASE_URL,
    apis,
    http,
    https,
    ca,
    call: (path, options = {}) => call('https', https, ca, path, options),
    plain: (path, options = {}) => call('http', http, ca, path, options),
    accessLog: () => readFile(join(directory, 'access.log'), 'utf8'),
  }
}

/** @returns it, as PEM */
async function certificate(directory: string): Promise<string> {
  const files = { key: join(directory, 'tls.key'), cert: join(directory, 'tls.crt') }
  selfSigned(files, { name: HOST, extensions: [`subjectAltName=DNS:${HOST}`] })
  return readFile(files.cert, 'utf8')
}

interface Ports {
  http: number
  https: number
  apis: string[]
}

async function startNginx(
  t: Scope,
  nginx: string,
  directory: string,
  { http, https, apis }: Ports,
): Promise<void> {
  // The file as it is shipped; only its places are this test's.
  const shipped = await readFile('deploy/nginx/weir.conf', 'utf8')
  const weir = shipped
    .replace('listen 8080 ', `listen 127.0.0.1:${http} `)
    .replace('listen 8443 ', `listen 127.0.0.1:${https} `)
    .replaceAll('/etc/nginx/tls', directory)
    .replace('/dev/stdout', join(directory, 'access.log'))
  const servers = apis.map((port) => `  server 127.0.0.1:${port} max_fails=2 fail_timeout=5s;\n`)
  const site = `upstream weir {\n  zone weir 64k;\n${servers.join('')}  keepalive 32;\n  keepalive_timeout 60s;\n}\n`
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `  ${name}_temp_path ${join(directory, name)};\n`,
  )
  const main = join(directory, 'nginx.conf')
  await writeFile(join(directory, 'site.conf'), site)
  await writeFile(join(directory, 'weir.conf'), weir)
  await writeFile(
    main,
    `daemon off;
worker_processes 1;
pid ${join(directory, 'nginx.pid')};
error_log stderr notice;
events { worker_connections 512; }
http {
${temporary.join('')}  include ${join(directory, 'site.conf')};
  include ${join(directory, 'weir.conf')};
}
`,
  )
  const child = spawn(nginx, ['-e', 'stderr', '-p', directory, '-c', main], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
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
}

function call(
  scheme: 'http' | 'https',
  port: number,
  ca: string,
  path: string,
  options: CallOptions,
): Promise<Answer> {
  const { method = 'GET', headers = {}, body, bare = false, from } = options
  const where = { host: '127.0.0.1', port, path, method, agent: false as const, localAddress: from }
  const request = { ...where, headers: { Host: HOST, ...(!bare && { 'X-API-Key': KEY }), ...headers } }
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

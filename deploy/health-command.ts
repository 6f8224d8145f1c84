import { type IncomingMessage, request as requestHttp } from 'node:http'
import { request as requestHttps } from 'node:https'
import { Argument, Command } from 'commander'
import { loadSettings, type Settings } from '../schemas/settings.ts'

/** `weir health`: the health check of a container, which needs no shell and no curl. */

const TIMEOUT_MS = 3000
const PARTS = ['api', 'pipeline'] as const
type Part = (typeof PARTS)[number]

export function command(): Command {
  return new Command()
    .description(
      'Ask the API or the pipeline on this machine whether it is alive. For health checks of containers.',
    )
    .addArgument(new Argument('[part]', 'default: whichever runs here').choices(PARTS))
    .option('--ready', 'ask whether it is ready, which needs its servers, too')
    .addHelpText(
      'after',
      '\nAsks on PORT or PIPELINE_METRICS_PORT, with N WORKERS all of them. Exit code 0: alive; 1: not, or nothing answers.',
    )
    .action(check)
}

async function check(part: Part | undefined, { ready = false }: { ready?: boolean }): Promise<void> {
  const settings = loadSettings()
  const path = ready ? '/health/ready' : '/health/live'
  const parts = part === undefined ? PARTS : [part]
  const answers = await Promise.allSettled(parts.map((one) => askAll(urlsOf[one](settings), path)))
  const failures: string[] = []
  for (const [i, answer] of answers.entries()) {
    if (answer.status === 'fulfilled') {
      console.log(`${parts[i]}: ${answer.value}`)
      return
    }
    failures.push(`${parts[i]}: ${answer.reason.message}`)
  }
  throw new Error(failures.join('; '))
}

const urlsOf: Record<Part, (settings: Settings) => string[]> = {
  api: ({ HOST, PORT, TLS_CERT_FILE }) => [`${TLS_CERT_FILE ? 'https' : 'http'}://${hostOf(HOST)}:${PORT}`],
  pipeline: ({ HOST, PIPELINE_METRICS_PORT, WORKERS }) =>
    Array.from({ length: WORKERS }, (_, i) => `http://${hostOf(HOST)}:${PIPELINE_METRICS_PORT + i}`),
}

/** Who listens on all addresses is asked on this machine's own. */
function hostOf(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1'
  if (host === '::') return '[::1]'
  return host.includes(':') ? `[${host}]` : host
}

/** @returns the first one's answer @throws when one of them is not well */
const askAll = async (urls: string[], path: string): Promise<string> =>
  (await Promise.all(urls.map((url) => ask(url + path))))[0]

function ask(url: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const fail = (why: string) => reject(new Error(`${url}: ${why}`))
    const take = (response: IncomingMessage) => {
      let text = ''
      response.setEncoding('utf8').on('data', (data) => {
        text += data
      })
      response.on('error', (error) => fail(error.message))
      response.on('end', () =>
        response.statusCode === 200 ? resolve(text) : fail(`${response.statusCode} ${text}`),
      )
    }
    const options = { timeout: TIMEOUT_MS, agent: false as const }
    const asked = url.startsWith('https:')
      ? // The certificate is for the name that others use, and nobody is on the way to oneself.
        requestHttps(url, { ...options, rejectUnauthorized: false }, take)
      : requestHttp(url, options, take)
    asked.on('timeout', () => asked.destroy(new Error(`no answer within ${TIMEOUT_MS / 1000} s`)))
    asked.on('error', (error: NodeJS.ErrnoException) => fail(error.message || String(error.code)))
    asked.end()
  })
}

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { startDaemon } from '../tools/daemon.ts'
import { shorten } from './shorten.ts'

export interface PrometheusOptions {
  /** The program. */
  program: string
  /** For its configuration and data. */
  directory: string
  port: number
  /** host:port of the processes' metrics. */
  pipeline: string
  api: string
  apiKey: string
}

export interface Prometheus {
  /** Names of the alerts that fire now, each once. */
  firing(): Promise<string[]>
  /** The first value of an expression; undefined if it gives none. */
  value(expression: string): Promise<number | undefined>
  stop(): Promise<void>
}

const rules = new URL('../../deploy/prometheus/rules/weir.yml', import.meta.url)

/** Starts a real Prometheus that looks every second, with the shortened rules of production. */
export async function startPrometheus(options: PrometheusOptions): Promise<Prometheus> {
  const { program, directory, port } = options
  const data = join(directory, 'data')
  mkdirSync(data, { recursive: true })
  writeFileSync(join(directory, 'weir.yml'), shorten(readFileSync(rules, 'utf8')))
  writeFileSync(join(directory, 'key'), options.apiKey, { mode: 0o600 })
  writeFileSync(join(directory, 'prometheus.yml'), stringify(configuration(options)))
  const args = ['--config.file=prometheus.yml', `--storage.tsdb.path=${data}`]
  const { url, stop } = await startDaemon(program, args, { directory, port })
  const query = async (expression: string): Promise<Sample[]> => {
    const answer = await fetch(`${url}/api/v1/query?query=${encodeURIComponent(expression)}`)
    if (!answer.ok) throw new Error(`Prometheus: ${answer.status} ${await answer.text()}`)
    return ((await answer.json()) as { data: { result: Sample[] } }).data.result
  }
  return {
    firing: async () =>
      (await query('count by (alertname) (ALERTS{alertstate="firing"})')).map(
        ({ metric }) => metric.alertname,
      ),
    value: async (expression) => {
      const [first] = await query(expression)
      return first === undefined ? undefined : Number(first.value[1])
    },
    stop,
  }
}

interface Sample {
  metric: Record<string, string>
  value: [time: number, value: string]
}

const configuration = ({ pipeline, api }: PrometheusOptions): object => ({
  global: { scrape_interval: '1s', scrape_timeout: '900ms', evaluation_interval: '1s' },
  rule_files: ['weir.yml'],
  scrape_configs: [
    { job_name: 'weir-pipeline', static_configs: [{ targets: [pipeline] }] },
    {
      job_name: 'weir-api',
      authorization: { credentials_file: 'key' },
      static_configs: [{ targets: [api] }],
    },
  ],
})

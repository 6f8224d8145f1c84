import { readFileSync } from 'node:fs'
import { parse } from 'yaml'

/** What deploy/ has for those who watch Weir, as data. */

const read = (path: string): string => readFileSync(new URL(`../../deploy/${path}`, import.meta.url), 'utf8')

export interface Rule {
  alert?: string
  record?: string
  expr: string
  for?: string
  labels?: Record<string, string>
  annotations?: Record<string, string>
}

export interface RuleFile {
  groups: { name: string; rules: Rule[] }[]
}

export const ruleFile = (): RuleFile => parse(read('prometheus/rules/weir.yml'))

export const rulesOf = ({ groups }: RuleFile): Rule[] => groups.flatMap(({ rules }) => rules)

/** Names of all alerts, each once. */
export const alertNames = (): string[] => [
  ...new Set(rulesOf(ruleFile()).flatMap(({ alert }) => alert ?? [])),
]

export const runbook = (): string => read('runbook.md')

/** Alertmanager's configuration as text. */
export const alertmanager = (): string => read('alertmanager/alertmanager.yml')

/** A configuration of Prometheus without what asks Kubernetes for targets, which Debian's promtool is built without. */
export const withoutDiscovery = (text: string): string =>
  text.replaceAll(/^ {4}kubernetes_sd_configs:\n(?: {6}.*\n)+/gm, '')

export interface Documented {
  name: string
  type: string
  labels: string[]
  /** `pipeline`, `API` or `file`. */
  by: string[]
}

/** The table of deploy/metrics.md. */
export function documentedMetrics(): Map<string, Documented> {
  const rows = read('metrics.md').matchAll(
    /^\| `(weir_\w+)` \| (\w+) \| [^|]+ \|([^|]*)\| ([^|]+) \| [^|]+ \|$/gm,
  )
  const list = (text: string) =>
    text
      .split(',')
      .map((item) => item.trim())
      .filter((item) => item !== '')
  return new Map(
    [...rows].map(([, name, type, labels, by]) => [name, { name, type, labels: list(labels), by: list(by) }]),
  )
}

/** Metrics that a text (PromQL, Markdown) names; of a histogram the name without `_bucket`, `_sum` and `_count`. */
export function metricsIn(text: string, documented: ReadonlyMap<string, Documented>): Set<string> {
  const names = [...text.matchAll(/\bweir_[a-z0-9_]+\b/g)].map(([name]) => {
    const base = name.replace(/_(bucket|sum|count)$/, '')
    return documented.get(base)?.type === 'histogram' ? base : name
  })
  return new Set(names)
}

/** Series that recording rules make, which a text names. */
export const recordedIn = (text: string): Set<string> =>
  new Set([...text.matchAll(/\bweir:[a-z0-9_:]+\b/g)].map(([name]) => name))

/** Families of a page of metrics: type and names of labels (of a histogram without `le`), by name. */
export function familiesOf(text: string): Map<string, { type: string; labels: Set<string> }> {
  const families = new Map<string, { type: string; labels: Set<string> }>()
  for (const line of text.split('\n')) {
    const declared = /^# TYPE (\S+) (\S+)$/.exec(line)
    if (declared !== null) families.set(declared[1], { type: declared[2], labels: new Set() })
    const sample = /^(\w+)(?:\{(.*)\})? \S+$/.exec(line)
    if (sample === null) continue
    const [, name, labels = ''] = sample
    const family = families.get(name) ?? families.get(name.replace(/_(bucket|sum|count)$/, ''))
    for (const [, label] of labels.matchAll(/(\w+)="(?:[^"\\]|\\.)*"/g))
      if (label !== 'le') family?.labels.add(label)
  }
  return families
}

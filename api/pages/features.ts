import type { Item } from '../sql/items.ts'
import { FEATURE_GROUPS, type Unit } from './feature-words.ts'
import { words } from './format.ts'

/** A feature as people read it. */
export interface ShownFeature {
  /** As rules and exports call it. */
  name: string
  label: string
  text: string
}

interface ShownGroup {
  title: string
  features: ShownFeature[]
}

/** Those of an anomaly, by their groups; what has no words comes last, as it is called. */
export function featureGroupsOf({ features }: Pick<Item, 'features'>): ShownGroup[] {
  const rest = new Map(Object.entries(features ?? {}))
  const take = (name: string, label: string, unit?: Unit): ShownFeature[] => {
    if (!rest.has(name)) return []
    const text = textOf(rest.get(name), unit)
    rest.delete(name)
    return [{ name, label, text }]
  }
  const groups = FEATURE_GROUPS.map(({ title, words }) => ({
    title,
    features: Object.entries(words).flatMap(([name, { label, unit }]) => take(name, label, unit)),
  }))
  groups.at(-1)!.features.push(...[...rest.keys()].flatMap((name) => take(name, words(name))))
  return groups.filter((group) => group.features.length > 0)
}

type Value = NonNullable<Item['features']>[string]

function textOf(value: Value | undefined, unit: Unit | undefined): string {
  if (value === null || value === undefined) return '–'
  if (typeof value === 'boolean') return value ? 'yes' : 'no'
  if (typeof value !== 'number') return typeof value === 'string' ? value : JSON.stringify(value)
  return unit === undefined ? number(value, 4) : IN_WORDS[unit](value)
}

const IN_WORDS: Record<Unit, (value: number) => string> = {
  money: (value) => number(value, 2, 2),
  count: (value) => number(value, 4),
  times: (value) => `${number(value, 2)} times`,
  deviations: (value) => `${number(value, 2)} standard deviations`,
  seconds: spanOf,
  hours: (value) => spanOf(value * 3600),
  days: (value) => `${number(value, 1)} days`,
  share: (value) => `${number(100 * value, 1)} %`,
  'yes or no': (value) => (value === 1 ? 'yes' : 'no'),
  'fraud or genuine': (value) => (value === 1 ? 'fraud' : 'genuine'),
  text: (value) => number(value, 4),
}

/** In the unit that fits, at most two days in hours. */
function spanOf(seconds: number): string {
  if (seconds < 120) return `${number(seconds, 0)} s`
  if (seconds < 7200) return `${number(seconds / 60, 0)} min`
  return seconds < 172_800 ? `${number(seconds / 3600, 1)} hours` : `${number(seconds / 86_400, 1)} days`
}

const number = (value: number, most: number, least = 0): string =>
  value.toLocaleString('en', { maximumFractionDigits: most, minimumFractionDigits: least })

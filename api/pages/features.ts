import type { Item } from '../sql/items.ts'
import { FEATURE_WORDS, type Unit } from './feature-words.ts'
import { words } from './format.ts'

/** A feature as people read it. */
export interface ShownFeature {
  /** As rules and exports call it. */
  name: string
  label: string
  text: string
}

/** Those of an anomaly in the order of their words; what has none comes last, as it is called. */
export function featuresOf(item: Item): ShownFeature[] {
  const features = item.features ?? {}
  const names = [
    ...Object.keys(FEATURE_WORDS).filter((name) => Object.hasOwn(features, name)),
    ...Object.keys(features).filter((name) => !Object.hasOwn(FEATURE_WORDS, name)),
  ]
  return names.map((name) => {
    const known = Object.hasOwn(FEATURE_WORDS, name) ? FEATURE_WORDS[name] : undefined
    return { name, label: known?.label ?? words(name), text: textOf(features[name], known?.unit) }
  })
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

import { type Host, hostInWords } from './machine.ts'

/** What a caller may present. */
export const KINDS = ['right', 'wrong_secret', 'unknown_id', 'malformed'] as const
export type Kind = (typeof KINDS)[number]

/** Microseconds of the calls of one kind. */
export interface Distribution {
  n: number
  p50_us: number
  p90_us: number
  p99_us: number
}

export interface Difference {
  a: Kind
  b: Kind
  /** The median of a less that of b. */
  median_us: number
  /** Share of all pairs of calls in which that of a took longer, ties as half: 0.5 when there is no difference. */
  a_slower: number
  /** By how many standard deviations that is more or less than 0.5, if no call hangs on another (Mann-Whitney). */
  z: number
}

interface KeysContext {
  rounds: number
  keys: number
  host: Host
}

export interface KeysReport extends KeysContext {
  kinds: Record<Kind, Distribution>
  /** The first is what a guesser could learn from: whether an id is one. */
  differences: Difference[]
}

const PAIRS: [Kind, Kind][] = [
  ['unknown_id', 'wrong_secret'],
  ['wrong_secret', 'right'],
  ['unknown_id', 'right'],
  ['malformed', 'wrong_secret'],
]

/** @param times microseconds of each call, at least one of each kind */
export function summariseKeys(times: Record<Kind, Float64Array>, context: KeysContext): KeysReport {
  const kinds = Object.fromEntries(KINDS.map((kind) => [kind, distributionOf(times[kind])])) as Record<
    Kind,
    Distribution
  >
  const differences = PAIRS.map(([a, b]) => {
    const { share, z } = compare(times[a], times[b])
    const median_us = rounded(kinds[a].p50_us - kinds[b].p50_us, 3)
    return { a, b, median_us, a_slower: rounded(share, 4), z: rounded(z, 2) }
  })
  return { kinds, differences, ...context }
}

function distributionOf(times: Float64Array): Distribution {
  const sorted = times.toSorted()
  const at = (share: number) => rounded(sorted[Math.floor((sorted.length - 1) * share)], 3)
  return { n: sorted.length, p50_us: at(0.5), p90_us: at(0.9), p99_us: at(0.99) }
}

/**
 * Mann-Whitney's U, which asks nothing of how the times are spread.
 * @returns the share of pairs in which the one of `a` is the larger, ties as half, and its distance from a half in
 * standard deviations; 0 where all are equal
 */
export function compare(a: Float64Array, b: Float64Array): { share: number; z: number } {
  const all = [
    ...Array.from(a, (value) => ({ value, isA: true })),
    ...Array.from(b, (value) => ({ value, isA: false })),
  ]
  all.sort((x, y) => x.value - y.value)
  let rankSum = 0
  let ties = 0
  for (let from = 0; from < all.length; ) {
    let to = from
    let ofA = 0
    for (; to < all.length && all[to].value === all[from].value; to++) if (all[to].isA) ofA++
    // Equal ones share the mean of their ranks, which count from 1.
    rankSum += ofA * ((from + 1 + to) / 2)
    ties += (to - from) ** 3 - (to - from)
    from = to
  }
  const pairs = a.length * b.length
  const u = rankSum - (a.length * (a.length + 1)) / 2
  const n = all.length
  const variance = (pairs / 12) * (n + 1 - ties / (n * (n - 1)))
  return { share: u / pairs, z: variance > 0 ? (u - pairs / 2) / Math.sqrt(variance) : 0 }
}

const NAMES: Record<Kind, string> = {
  right: 'the right key',
  wrong_secret: 'a wrong secret of a known id',
  unknown_id: 'an unknown id',
  malformed: 'not the form of a key',
}

/** For people: the distributions, the differences, and how to read them. */
export function renderKeys({ kinds, differences, keys, host }: KeysReport): string {
  const us = (value: number) => value.toFixed(1).padStart(8)
  return [
    `${''.padEnd(30)}     p50      p90      p99 us        n`,
    ...KINDS.map((kind) => {
      const { n, p50_us, p90_us, p99_us } = kinds[kind]
      return `${NAMES[kind].padEnd(30)}${us(p50_us)} ${us(p90_us)} ${us(p99_us)}    ${String(n).padStart(8)}`
    }),
    '',
    ...differences.map(
      ({ a, b, median_us, a_slower, z }) =>
        `${NAMES[a]}, less ${NAMES[b]}: ${signed(median_us, 2)} us in the median; slower in ` +
        `${(100 * a_slower).toFixed(1)} % of pairs (z ${signed(z, 1)})`,
    ),
    '',
    `One call at a time through the guard, in this process, without HTTP; ${keys} keys in the table. ` +
      `${hostInWords(host)}; load before: ${host.load_before}. 50 % and a z within -3 to 3: no difference that these ` +
      'calls show. See bench/README.md.',
  ].join('\n')
}

const rounded = (value: number, digits: number): number => Number(value.toFixed(digits))
const signed = (value: number, digits: number): string => `${value < 0 ? '' : '+'}${value.toFixed(digits)}`

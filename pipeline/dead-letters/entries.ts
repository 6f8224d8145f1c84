import type { Letter } from './letter.ts'

/** A record that was rejected, once or, after replays, several times. */
export interface Entry {
  /** The first origin and the content's digest. */
  id: string
  /** Where the record stood first, as topic/partition/offset. */
  origin: string
  first: Letter
  newest: Letter
  /** One for each time that it was rejected, in that order. */
  letters: Letter[]
  /** How often it was rejected again after a replay. */
  returned: number
}

/**
 * One entry for each first origin. The pipeline sends at least once: of several letters of one origin the first counts.
 * The content is part of the identity: a topic that was made anew has the same origins again, and a producer may
 * claim to replay what it likes; neither may hide another record.
 */
export function entriesOf(letters: Letter[]): Entry[] {
  const entries = new Map<string, Entry>()
  const seen = new Set<string>()
  for (const letter of letters.toSorted(byTime)) {
    const own = `${letter.origin} ${letter.digest}`
    if (seen.has(own)) continue
    seen.add(own)
    const origin = letter.replayOf ?? letter.origin
    const id = `${origin} ${letter.digest}`
    const returned = letter.replayOf === undefined ? 0 : 1
    const entry = entries.get(id)
    if (entry === undefined)
      entries.set(id, { id, origin, first: letter, newest: letter, letters: [letter], returned })
    else {
      entry.letters.push(letter)
      entry.newest = letter
      entry.returned += returned
    }
  }
  return [...entries.values()]
}

const byTime = (a: Letter, b: Letter): number =>
  a.rejectedAt - b.rejectedAt || a.place.partition - b.place.partition || a.place.offset - b.place.offset

export interface Filter {
  /** None: all. */
  codes: string[]
  /** Milliseconds; from this on. */
  since?: number
  /** Milliseconds; before this. */
  until?: number
}

/** Entries whose newest letter has one of the codes and was rejected in the time; the newest first. */
export const filtered = (entries: Entry[], { codes, since = -Infinity, until = Infinity }: Filter): Entry[] =>
  entries
    .filter(({ newest: { code, rejectedAt } }) => {
      return (codes.length === 0 || codes.includes(code)) && rejectedAt >= since && rejectedAt < until
    })
    .toSorted((a, b) => byTime(b.newest, a.newest))

/**
 * Entries by any of their origins, the first one or a replay's.
 * @throws if an origin is not there
 */
export function named(entries: Entry[], origins: string[]): Entry[] {
  const has = (entry: Entry, origin: string) =>
    entry.origin === origin || entry.letters.some((letter) => letter.origin === origin)
  const missing = origins.filter((origin) => !entries.some((entry) => has(entry, origin)))
  if (missing.length > 0) {
    throw new Error(
      `there is no dead letter of ${missing.join(', ')}; \`npm run dead-letters -- list\` names those that are there`,
    )
  }
  return entries.filter((entry) => origins.some((origin) => has(entry, origin)))
}

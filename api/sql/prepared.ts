import type pg from 'pg'

/** A connection keeps so many at most: a list has a text for each combination of its filters. */
const MOST_NAMES = 300
const names = new Map<string, string>()

/**
 * A statement under a name, by which a connection prepares it once: over a table of many months PostgreSQL takes longer
 * to plan a look-up than to run it. Texts beyond {@link MOST_NAMES} are planned anew each time.
 */
export function prepared(text: string, values: unknown[] | undefined): pg.QueryConfig {
  let name = names.get(text)
  if (name === undefined && names.size < MOST_NAMES) {
    name = `weir-${names.size}`
    names.set(text, name)
  }
  return { name, text, values }
}

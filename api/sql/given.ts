/** Takes a value, gives the parameter that stands for it in the statement. */
export type Given = (value: unknown) => string

/** The values of one statement, in the order in which they are given. */
export function parameters(): { values: unknown[]; given: Given } {
  const values: unknown[] = []
  return { values, given: (value) => `$${values.push(value)}` }
}

/**
 * A bound of a page, for a statement that is planned once: PostgreSQL does not look into the subselect. A number that it
 * sees makes a plan for this page look cheaper than the one for all pages, so that each call is planned anew: over the
 * months' tables that takes longer than the page.
 */
export const unseen = (parameter: string): string => `(SELECT ${parameter}::bigint)`

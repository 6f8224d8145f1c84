/** Takes a value, gives the parameter that stands for it in the statement. */
export type Given = (value: unknown) => string

/** The values of one statement, in the order in which they are given. */
export function parameters(): { values: unknown[]; given: Given } {
  const values: unknown[] = []
  return { values, given: (value) => `$${values.push(value)}` }
}

/**
 * A value that a statement's plan must not hang on, so that it is planned once: PostgreSQL does not look into the
 * subselect. A page's size, or a list's length, that it sees makes a plan for this call look cheaper than the one for all,
 * so that each call is planned anew: over the months' tables that takes longer than what is looked up.
 */
export const unseen = (parameter: string, type: string): string => `(SELECT ${parameter}::${type})`

import type pg from 'pg'
import type { Rules } from './rules.ts'

/**
 * Keeps the rules that a pipeline begins with in the table `rule_sets`, so that whoever reads a decision's rules_version
 * can tell what they said. The ones of the newest start count as in force.
 */
export async function storeRuleSet(client: pg.ClientBase, { version, rules }: Rules): Promise<void> {
  const texts = rules.map(({ code, score, when, message }) => ({ code, score, when, message }))
  // Of the wall clock: now() is that of the transaction, and of two starts the later one counts.
  await client.query(
    `INSERT INTO rule_sets (version, rules) VALUES ($1, $2)
     ON CONFLICT (version) DO UPDATE SET started_at = clock_timestamp()`,
    [version, JSON.stringify(texts)],
  )
}

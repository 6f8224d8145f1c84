import type { Query } from '../../api/sql/database.ts'
import { createClient } from '../../schemas/database.ts'
import { query, type Scope, until } from '../harness.ts'

/** Queries on one connection, which is closed at the test's end. */
export async function connectedQuery(t: Scope, connectionString: string): Promise<Query> {
  const client = createClient({ connectionString, application_name: 'weir-test' })
  client.on('error', () => {}) // its database may be dropped, or its server stopped, before it is closed
  await client.connect()
  t.after(() => client.end())
  return async (text, values) => (await client.query(text, values)).rows
}

/** Waits until so many sessions of the database wait for a lock. */
export const untilWaiting = (url: string, count: number) =>
  until(
    async () => {
      const waiting = `SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()`
      return (await query(url, waiting)).length === count
    },
    { what: `${count} that wait for a lock` },
  )

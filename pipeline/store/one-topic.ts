import type pg from 'pg'
import { FatalError } from '../errors.ts'

/**
 * Refuses a database that has positions of another topic: its rows do not say which topic they came from, so that
 * recovery would mix them.
 * @throws FatalError with both names, the database, and what to do
 */
export async function refuseOtherTopics(client: pg.ClientBase, topic: string): Promise<void> {
  const { rows } = await client.query<{ topic: string }>(
    'SELECT DISTINCT topic FROM positions WHERE topic <> $1 ORDER BY topic',
    [topic],
  )
  if (rows.length === 0) return
  const others = rows.map((row) => row.topic).join(', ')
  const { host, port, database } = client as pg.Client
  throw new FatalError(
    `the database ${host}:${port}/${database} (DATABASE_URL) is that of the topic ${others}, and TRANSACTIONS_TOPIC ` +
      `is ${topic}. Give each topic a database of its own. If the topic was only renamed and its offsets are the same: UPDATE positions SET topic = '${topic}', and checkpoints and skipped likewise.`,
  )
}

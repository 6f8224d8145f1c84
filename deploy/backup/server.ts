import type pg from 'pg'
import { withClient } from '../../schemas/database.ts'
import { placeOf } from './connection.ts'
import type { Manifest } from './manifest.ts'

/** Works with one connection, which is closed afterwards. */
export const connected = <T>(databaseUrl: string, use: (client: pg.Client) => Promise<T>): Promise<T> =>
  withClient({ connectionString: databaseUrl, application_name: 'weir-backup' }, use)

export interface Server {
  database: string
  /** Such as 15.18. */
  version: string
  major: number
}

export async function serverOf(client: pg.Client): Promise<Server> {
  const { rows } = await client.query<Server>(
    `SELECT current_database() AS database, split_part(current_setting('server_version'), ' ', 1) AS version,
            current_setting('server_version_num')::integer / 10000 AS major`,
  )
  return rows[0]
}

/** @throws when the database's server is older than the one that the backup is of, or does not keep text in UTF-8 */
export const requireNewEnough = (databaseUrl: string, manifest: Manifest): Promise<void> =>
  connected(databaseUrl, async (client) => {
    const { major } = await serverOf(client)
    if (major < manifest.server_major) {
      throw new Error(
        `the server at ${placeOf(databaseUrl)} is PostgreSQL ${major}, the backup is of a PostgreSQL ` +
          `${manifest.server_major}: it needs that or a later one`,
      )
    }
    const { rows } = await client.query<{ server_encoding: string }>('SHOW server_encoding')
    if (rows[0].server_encoding !== 'UTF8') {
      throw new Error(
        `the database at ${placeOf(databaseUrl)} has the encoding ${rows[0].server_encoding}: make one by CREATE ` +
          "DATABASE ... TEMPLATE template0 ENCODING 'UTF8'",
      )
    }
  })

import pg from 'pg'
import { type ConnectionOptions, createClient } from '../../schemas/database.ts'
import type { Label } from '../../schemas/label.ts'
import { endStopped, limitLockWaits } from '../store/sql.ts'

/** How many labels were not there yet, by what they say. */
export interface Added {
  fraud: number
  genuine: number
}

/**
 * One statement, which commits by itself: no process that is stopped holds what others wait for. Their ids are in the
 * order of the records, so that of two words of the same moment the later record's is the last.
 */
const INSERT = `
  WITH added AS (
    INSERT INTO labels (transaction_id, timestamp, is_fraud, origin, known_at)
    SELECT id, at, fraud, origin, known
    FROM unnest($1::text[], $2::timestamptz[], $3::boolean[], $4::text[], $5::timestamptz[])
      WITH ORDINALITY AS label (id, at, fraud, origin, known, n)
    ORDER BY n
    ON CONFLICT DO NOTHING
    RETURNING is_fraud
  )
  SELECT count(*) FILTER (WHERE is_fraud) AS fraud, count(*) FILTER (WHERE NOT is_fraud) AS genuine FROM added`

const iso = (ms: number): string => new Date(ms).toISOString()

/** The table `labels`, over a connection that is made when it is needed and again when it was lost. */
export class LabelTable {
  #client: pg.Client | null = null
  readonly #connection: ConnectionOptions

  constructor(connection: ConnectionOptions) {
    this.#connection = connection
  }

  /** Adds labels; what is there already stays as it is. @throws the server's error, or the connection's */
  async insert(labels: readonly Label[]): Promise<Added> {
    const columns = [
      labels.map((label) => label.transaction_id),
      labels.map((label) => iso(label.timestamp)),
      labels.map((label) => label.is_fraud),
      labels.map((label) => label.origin),
      labels.map((label) => iso(label.known_at)),
    ]
    const { rows } = await this.#run((client) =>
      client.query<Added>({ name: 'insert_labels', text: INSERT, values: columns }),
    )
    return rows[0]
  }

  /** After SQLSTATE 55P03: ends the lanes of stopped processes, which may hold what was waited for. */
  async endStopped(): Promise<void> {
    await this.#run(endStopped)
  }

  async close(): Promise<void> {
    const client = this.#client
    this.#client = null
    await client?.end().catch(() => {})
  }

  async #run<T>(use: (client: pg.Client) => Promise<T>): Promise<T> {
    const client = await this.#connected()
    try {
      return await use(client)
    } catch (error) {
      // Without an answer nobody knows what the connection is good for.
      if (!(error instanceof pg.DatabaseError)) this.#drop(client)
      throw error
    }
  }

  async #connected(): Promise<pg.Client> {
    if (this.#client !== null) return this.#client
    const client = createClient(this.#connection)
    client.on('error', () => this.#drop(client))
    await client.connect()
    await limitLockWaits(client)
    this.#client = client
    return client
  }

  #drop(client: pg.Client): void {
    if (this.#client === client) this.#client = null
    ;(client as unknown as { connection: { stream: { destroy(): void } } }).connection.stream.destroy()
  }
}

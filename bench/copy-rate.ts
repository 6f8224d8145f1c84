import { once } from 'node:events'
import type pg from 'pg'
import { from as copyFrom } from 'pg-copy-streams'
import { COLUMNS } from '../pipeline/store/copy-encoder.ts'
import { createClient } from '../schemas/database.ts'
import type { EncodedRows } from './encode-rows.ts'
import { query } from './ground.ts'

/** A table with the columns of `transactions` and nothing else: no index, no constraint but NOT NULL, logged. */
const BARE = 'bare_copy'

/** Bare COPY: one connection, no index. The floor under any way to store these rows: what the ratio is against. */
export async function bareCopyRate(url: string, rows: EncodedRows): Promise<number> {
  // Committed before the COPY: into a table of the same transaction PostgreSQL may leave out the log.
  await query(url, `CREATE TABLE ${BARE} (LIKE transactions)`)
  return copyRate(url, BARE, rows, 1)
}

/** COPY into `transactions` with its indexes, by as many connections as the pipeline has lanes: PostgreSQL's share. */
export async function tableCopyRate(url: string, rows: EncodedRows, lanes: number): Promise<number> {
  for (const month of rows.months) {
    await query(url, `SELECT ensure_transactions_partition('${month.toISOString()}')`)
  }
  return copyRate(url, 'transactions', rows, lanes)
}

/** @returns rows a second, from the first BEGIN to the last COMMIT; a transaction for each batch, as in the pipeline */
async function copyRate(url: string, table: string, rows: EncodedRows, connections: number): Promise<number> {
  const clients = Array.from({ length: connections }, () =>
    createClient({ connectionString: url, application_name: 'weir-bench-copy' }),
  )
  await Promise.all(clients.map((client) => client.connect()))
  try {
    const began = performance.now()
    await Promise.all(clients.map((client, lane) => copyLane(client, table, rows, lane, connections)))
    const seconds = (performance.now() - began) / 1000
    const stored = await countRows(url, table)
    const expected = rows.batches.reduce((sum, batch) => sum + batch.rows, 0)
    if (stored !== expected) throw new Error(`COPY stored ${stored} of ${expected} rows in ${table}`)
    return Math.round(expected / seconds)
  } finally {
    await Promise.all(clients.map((client) => client.end()))
  }
}

async function copyLane(client: pg.Client, table: string, rows: EncodedRows, lane: number, lanes: number) {
  const text = `COPY ${table} (${COLUMNS.join(', ')}) FROM STDIN (FORMAT binary)`
  for (const { partition, chunks } of rows.batches) {
    if (partition % lanes !== lane) continue
    await client.query('BEGIN')
    const stream = client.query(copyFrom(text))
    const finished = once(stream, 'finish')
    for (const chunk of chunks) stream.write(chunk)
    stream.end()
    await finished
    await client.query('COMMIT')
  }
}

export async function countRows(url: string, table: string): Promise<number> {
  const [{ count }] = await query<{ count: number }>(url, `SELECT count(*) FROM ${table}`)
  return count
}

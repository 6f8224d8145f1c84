import assert from 'node:assert/strict'
import { query, type Scope } from '../harness.ts'
import { open } from '../integration/api-rows.ts'
import type { AppOptions } from '../unit/api-app.ts'
import { commit, connected, EventReader, layOut, type Row } from './event-streams.ts'

export const STREAM = '/api/v1/stream'

/** An app with partitions that stand at 0, and its stream. */
export async function openStreams(t: Scope, options: AppOptions & { partitions?: number } = {}) {
  const app = await open(t, [], {
    ...options,
    env: { RATE_LIMIT_READ: '1000', RATE_LIMIT_WRITE: '1000', ...options.env },
  })
  await layOut(app.url, options.partitions ?? 2)
  const openStream = async (headers: Record<string, string> = {}, parameters = '') => {
    const answer = await app.call('GET', STREAM + parameters, headers)
    assert.equal(answer.status, 200)
    const reader = new EventReader(answer)
    t.after(() => reader.close())
    return reader
  }
  /** Commits one batch of rows after the other. */
  const commitRows = (...batches: Row[][]) =>
    connected(app.url, async (client) => {
      for (const batch of batches) await commit(client, batch)
    })
  return { ...app, openStream, commitRows }
}

/** Connections of the stream for notifications. */
export const listeners = (url: string): Promise<{ pid: number }[]> =>
  query(
    url,
    `SELECT pid FROM pg_stat_activity
     WHERE datname = current_database() AND application_name = 'weir-api-stream' AND query LIKE '%LISTEN%'`,
  )

import { type ConnectionOptions, withClient } from '../../schemas/database.ts'
import { auditHead, auditPages } from '../sql/audit.ts'
import type { Query } from '../sql/database.ts'
import type { Anchor } from './anchor.ts'
import { type Verdict, verify } from './verify.ts'

/** Runs over a connection of its own in one snapshot of the database, which changes nothing. */
export const withSnapshot = <T>(
  connection: ConnectionOptions,
  work: (query: Query) => Promise<T>,
): Promise<T> =>
  withClient(connection, async (client) => {
    await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY')
    return work(async (text, values) => (await client.query(text, values)).rows)
  })

/** Follows the chain of a database's audit. @throws when the database cannot be read */
export const verifyStored = (
  connection: ConnectionOptions,
  anchors: readonly Anchor[] = [],
): Promise<Verdict> =>
  withSnapshot(connection, async (query) => verify(auditPages(query), await auditHead(query), anchors))

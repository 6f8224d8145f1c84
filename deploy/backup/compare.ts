import type pg from 'pg'
import { readAnchors } from '../../api/audit/anchor.ts'
import { verify } from '../../api/audit/verify.ts'
import { auditHead, auditPages } from '../../api/sql/audit.ts'
import type { Query } from '../../api/sql/database.ts'
import { endOnAbort } from './end-on-abort.ts'
import { beginSnapshot, factsOf } from './facts.ts'
import type { Facts, Manifest } from './manifest.ts'
import { connected, serverOf } from './server.ts'

/** What was compared with the manifest, all of it equal. */
export interface Compared {
  server_version: string
  tables: number
  rows: number
  /** Rows whose content was compared; of the others their number. */
  sampled: number
  positions: number
  sequences: number
  /** Rows of the audit's chain, which was followed; null in a backup from before it. */
  audit_rows: number | null
  /** Anchors that the audit was compared with, and those that are newer than the backup. */
  anchors: { compared: number; newer: number }
}

export interface CompareOptions {
  databaseUrl: string
  manifest: Manifest
  /** File of `npm run audit -- anchor`. */
  anchorFile?: string
  signal: AbortSignal
}

/** Differences in an error's message, at most. */
const MAX_TOLD = 20

/**
 * Compares a database that was just restored with what the manifest says.
 * @throws with all that is different
 */
export const compareRestored = ({
  databaseUrl,
  manifest,
  anchorFile,
  signal,
}: CompareOptions): Promise<Compared> =>
  connected(databaseUrl, (client) =>
    endOnAbort(client, signal, async () => {
      await beginSnapshot(client)
      const found = await factsOf(client)
      const audit = await auditOf(client, manifest, anchorFile)
      const different = [...differences(manifest.facts, found), ...audit.findings]
      if (different.length > 0) throw new Error(toldOf(different))
      const total = (of: 'rows' | 'sampled') => found.tables.reduce((sum, table) => sum + table[of], 0)
      return {
        server_version: (await serverOf(client)).version,
        tables: found.tables.length,
        rows: total('rows'),
        sampled: total('sampled'),
        positions: found.positions.length,
        sequences: found.sequences.length,
        audit_rows: audit.rows,
        anchors: audit.anchors,
      }
    }),
  )

const toldOf = (different: string[]): string =>
  `what was restored is not what the manifest says:\n${different
    .slice(0, MAX_TOLD)
    .map((line) => `  - ${line}`)
    .join('\n')}${different.length > MAX_TOLD ? `\n  - and ${different.length - MAX_TOLD} more` : ''}`

/** What of the database is not as it was. */
export function differences(expected: Facts, found: Facts): string[] {
  const tables = pairs(expected.tables, found.tables, (table) => table.name)
  const positions = pairs(expected.positions, found.positions, (p) => `${p.topic}/${p.partition}`)
  const sequences = pairs(expected.sequences, found.sequences, (sequence) => sequence.name)
  return [
    ...differing('migrations', expected.migrations, found.migrations),
    ...tables.flatMap(({ name, before, after }) => {
      if (before === undefined || after === undefined) return [missing(`table ${name}`, before)]
      if (before.rows !== after.rows) return [`table ${name}: ${after.rows} rows instead of ${before.rows}`]
      return before.sampled === after.sampled && before.digest === after.digest
        ? []
        : [`table ${name}: the content of its rows is different`]
    }),
    ...positions.flatMap(({ name, before, after }) => {
      if (before === undefined || after === undefined) return [missing(`position of ${name}`, before)]
      return differing(`position of ${name}`, before.next_offset, after.next_offset)
    }),
    // A sequence does not belong to the snapshot: numbers that were given since are not given again.
    ...sequences.flatMap(({ name, before, after }) =>
      before !== undefined && !((after?.last_value ?? 0) >= before.last_value)
        ? [`sequence ${name}: at ${after?.last_value ?? 'its beginning'}, before ${before.last_value}`]
        : [],
    ),
    ...differing('head of the audit', expected.audit, found.audit),
    ...differing('labels', expected.labels, found.labels),
  ]
}

const missing = (what: string, before: unknown): string =>
  before === undefined ? `${what} is there, and was not` : `${what} is missing`

function differing(what: string, expected: unknown, found: unknown): string[] {
  const [before, after] = [JSON.stringify(expected), JSON.stringify(found)]
  return before === after ? [] : [`${what}: ${after} instead of ${before}`]
}

function pairs<T>(
  before: T[],
  after: T[],
  nameOf: (item: T) => string,
): { name: string; before?: T; after?: T }[] {
  const [old, now] = [before, after].map((items) => new Map(items.map((item) => [nameOf(item), item])))
  return [...new Set([...old.keys(), ...now.keys()])].map((name) => ({
    name,
    before: old.get(name),
    after: now.get(name),
  }))
}

interface Audited {
  rows: number | null
  findings: string[]
  anchors: Compared['anchors']
}

/** Follows the audit's chain, and compares it with the head of the manifest and with anchors up to there. */
async function auditOf(client: pg.Client, { facts }: Manifest, anchorFile?: string): Promise<Audited> {
  const { audit: head, taken_at: at } = facts
  if (head === null) return { rows: null, findings: [], anchors: { compared: 0, newer: 0 } }
  const query: Query = async (text, values) => (await client.query(text, values)).rows
  const given = anchorFile === undefined ? [] : readAnchors(anchorFile)
  const anchors = given.filter(({ seq }) => seq <= head.seq)
  const ofManifest = { ...head, at, database: 'of the manifest' }
  const { rows, findings } = await verify(auditPages(query), await auditHead(query), [...anchors, ofManifest])
  return {
    rows,
    findings: findings.map(({ message }) => `audit: ${message}`),
    anchors: { compared: anchors.length, newer: given.length - anchors.length },
  }
}

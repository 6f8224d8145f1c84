import { query } from '../harness.ts'
import type { StoredMessage } from '../support/topics.ts'
import type { Figures } from './scenario.ts'
import { ID_HEADER, type Sent } from './sender.ts'

/** What became of everything that was sent; `differing_scores` is left to the comparison with a quiet run. */
export async function settle(
  sent: Sent,
  letters: StoredMessage[],
  databaseUrl: string,
): Promise<Omit<Figures, 'differing_scores'> & { lostIds: string[]; unexpectedIds: string[] }> {
  const rows = await query<{ id: string; count: number }>(
    databaseUrl,
    'SELECT transaction_id AS id, count(*) AS count FROM transactions GROUP BY 1',
  )
  const stored = new Set(rows.map((row) => row.id))
  const codes = codesById(letters)
  const deadLettered = new Set(codes.keys())
  const ended = stored.union(deadLettered)
  const unknown = sent.attempted.difference(sent.acknowledged)
  const lost = sent.acknowledged.difference(ended)
  const unexpected = stored
    .difference(sent.attempted)
    .union(stored.intersection(sent.invalid))
    .union(deadLettered.difference(sent.invalid).difference(sent.contested))
  return {
    attempted: sent.attempted.size,
    acknowledged: sent.acknowledged.size,
    stored: stored.size,
    dead_lettered: deadLettered.size,
    recovered: unknown.intersection(ended).size,
    lost: lost.size,
    duplicated: rows.reduce((sum, row) => sum + Number(row.count) - 1, 0),
    unexpected: unexpected.size,
    lostIds: [...lost].slice(0, 3),
    unexpectedIds: [...unexpected].slice(0, 3).map((id) => `${id} ${codes.get(id) ?? '(a row)'}`),
  }
}

/** By the header that the sender gave each record: some have no value that could be read. */
const codesById = (letters: StoredMessage[]): Map<string, string> =>
  new Map(
    letters.map(({ headers }) => [
      String(headers?.[ID_HEADER] ?? 'a letter of nobody'),
      String(headers?.['weir-code']),
    ]),
  )

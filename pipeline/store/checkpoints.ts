import type pg from 'pg'
import { DamagedCheckpoint } from '../errors.ts'
import { failpoint } from '../failpoint.ts'
import { AccountStates, type Snapshot } from '../features/account-states.ts'
import type { Rates } from '../features/rates.ts'
import { stateVersion } from '../features/state-codec.ts'

/** The tables `checkpoints` and `checkpoint_pieces`. */

export interface CheckpointOf {
  topic: string
  partition: number
  /** The next offset when the state was like this. */
  position: number
  latenessMs: number
  rates: Rates
}

/**
 * Writes a snapshot as the partition's newest checkpoint, piece by piece, each in a transaction of its own: a statement
 * that held everything would hold back vacuum as long. It is valid once completed_at is set; older ones are then deleted.
 * @param goOn asked between pieces; false gives it up
 * @returns its bytes, or null when it was given up
 */
export async function writeCheckpoint(
  client: pg.ClientBase,
  { topic, partition, position, latenessMs, rates }: CheckpointOf,
  snapshot: Snapshot,
  goOn: () => boolean,
): Promise<number | null> {
  // What somebody left unfinished; if he still writes it, his next piece finds no checkpoint, and he gives up.
  await client.query('DELETE FROM checkpoints WHERE topic = $1 AND partition = $2 AND completed_at IS NULL', [
    topic,
    partition,
  ])
  const { rows } = await client.query<{ id: number }>(
    `INSERT INTO checkpoints (topic, partition, position, state_version, accounts) VALUES ($1, $2, $3, $4, $5)
     RETURNING id`,
    [topic, partition, position, stateVersion(latenessMs, rates), snapshot.accounts],
  )
  const { id } = rows[0]
  let bytes = 0
  let pieces = 0
  for (const piece of snapshot.pieces()) {
    if (!goOn()) return null
    await client.query({
      name: 'checkpoint_piece',
      text: 'INSERT INTO checkpoint_pieces (checkpoint_id, piece, data) VALUES ($1, $2, $3)',
      values: [id, pieces++, piece],
    })
    bytes += piece.length
    failpoint('in-checkpoint')
  }
  const completed = await client.query(
    'UPDATE checkpoints SET pieces = $2, bytes = $3, completed_at = now() WHERE id = $1',
    [id, pieces, bytes],
  )
  // Deleted by a new owner of the partition: then his checkpoints are the ones that count.
  if (completed.rowCount === 0) return null
  await client.query(`DELETE FROM checkpoints WHERE topic = $1 AND partition = $2 AND id <> $3`, [
    topic,
    partition,
    id,
  ])
  return bytes
}

/** A valid checkpoint, not yet read. */
export interface SavedCheckpoint {
  position: number
  accounts: number
  /** The snapshot's bytes. */
  pieces: AsyncIterable<Buffer>
}

/**
 * The newest valid checkpoint at or before the position. (One beyond it is left where the position was set back by hand.)
 * @returns null when there is none of this version
 */
export async function findCheckpoint(
  client: pg.ClientBase,
  { topic, partition, position: latest, latenessMs, rates }: CheckpointOf,
): Promise<SavedCheckpoint | null> {
  const { rows } = await client.query<{ id: number; position: number; pieces: number; accounts: number }>(
    `SELECT id, position, pieces, accounts FROM checkpoints
     WHERE topic = $1 AND partition = $2 AND state_version = $3 AND position <= $4 AND completed_at IS NOT NULL
     ORDER BY position DESC, id DESC LIMIT 1`,
    [topic, partition, stateVersion(latenessMs, rates), latest],
  )
  if (rows.length === 0) return null
  const [{ id, position, pieces, accounts }] = rows
  return { position, accounts, pieces: readPieces(client, id, pieces) }
}

/**
 * The state that a checkpoint holds.
 * @throws DamagedCheckpoint when it cannot be read
 */
export async function restoreStates(
  { position, accounts, pieces }: SavedCheckpoint,
  { latenessMs, rates }: Pick<CheckpointOf, 'latenessMs' | 'rates'>,
): Promise<AccountStates> {
  const states = new AccountStates(latenessMs, rates)
  await states.restore(pieces).catch((cause) => {
    throw cause instanceof RangeError ? new DamagedCheckpoint(cause.message, { cause }) : cause
  })
  if (states.accounts !== accounts) {
    throw new DamagedCheckpoint(
      `the checkpoint of position ${position} has ${states.accounts} accounts instead of ${accounts}`,
    )
  }
  return states
}

async function* readPieces(client: pg.ClientBase, id: number, pieces: number): AsyncGenerator<Buffer> {
  for (let piece = 0; piece < pieces; piece++) {
    const { rows } = await client.query<{ data: string }>({
      name: 'read_piece',
      // pg has no binary results, and its text form of bytea is hexadecimal: base64 is shorter, and quick to decode.
      text: `SELECT encode(data, 'base64') AS data FROM checkpoint_pieces WHERE checkpoint_id = $1 AND piece = $2`,
      values: [id, piece],
    })
    if (rows.length === 0) throw new DamagedCheckpoint(`piece ${piece} of checkpoint ${id} is missing`)
    yield Buffer.from(rows[0].data, 'base64')
  }
}

import type pg from 'pg'
import { failpoint } from '../failpoint.ts'
import { AccountStates, type Snapshot } from '../features/account-states.ts'
import { stateVersion } from '../features/state-codec.ts'

/** The tables `checkpoints` and `checkpoint_pieces`. */

export interface CheckpointOf {
  topic: string
  partition: number
  /** The next offset when the state was like this. */
  position: number
  latenessMs: number
}

/**
 * Writes a snapshot as the partition's newest checkpoint, piece by piece, each in a transaction of its own: a statement
 * that held everything would hold back vacuum as long. It is valid once completed_at is set; older ones are then deleted.
 * @param goOn asked between pieces; false gives it up
 * @returns its bytes, or null when it was given up
 */
export async function writeCheckpoint(
  client: pg.ClientBase,
  { topic, partition, position, latenessMs }: CheckpointOf,
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
    [topic, partition, position, stateVersion(latenessMs), snapshot.accounts],
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
  await client.query('UPDATE checkpoints SET pieces = $2, bytes = $3, completed_at = now() WHERE id = $1', [
    id,
    pieces,
    bytes,
  ])
  await client.query(
    `DELETE FROM checkpoints WHERE topic = $1 AND partition = $2 AND id <> $3 AND position <= $4`,
    [topic, partition, id, position],
  )
  return bytes
}

/**
 * The state of the newest valid checkpoint.
 * @returns null when there is none of this version
 */
export async function readCheckpoint(
  client: pg.ClientBase,
  { topic, partition, latenessMs }: Omit<CheckpointOf, 'position'>,
): Promise<{ states: AccountStates; position: number } | null> {
  const { rows } = await client.query<{ id: number; position: number; pieces: number; accounts: number }>(
    `SELECT id, position, pieces, accounts FROM checkpoints
     WHERE topic = $1 AND partition = $2 AND state_version = $3 AND completed_at IS NOT NULL
     ORDER BY position DESC, id DESC LIMIT 1`,
    [topic, partition, stateVersion(latenessMs)],
  )
  if (rows.length === 0) return null
  const [checkpoint] = rows
  const states = new AccountStates(latenessMs)
  await states.restore(readPieces(client, checkpoint.id, checkpoint.pieces))
  if (states.accounts !== checkpoint.accounts) {
    throw new Error(
      `checkpoint ${checkpoint.id} has ${states.accounts} accounts instead of ${checkpoint.accounts}`,
    )
  }
  return { states, position: checkpoint.position }
}

async function* readPieces(client: pg.ClientBase, id: number, pieces: number): AsyncGenerator<Buffer> {
  for (let piece = 0; piece < pieces; piece++) {
    const { rows } = await client.query<{ data: string }>({
      name: 'read_piece',
      // pg has no binary results, and its text form of bytea is hexadecimal: base64 is shorter, and quick to decode.
      text: `SELECT encode(data, 'base64') AS data FROM checkpoint_pieces WHERE checkpoint_id = $1 AND piece = $2`,
      values: [id, piece],
    })
    if (rows.length === 0) throw new Error(`piece ${piece} of checkpoint ${id} is missing`)
    yield Buffer.from(rows[0].data, 'base64')
  }
}

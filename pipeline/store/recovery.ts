import { type ConnectionOptions, withClient } from '../../schemas/database.ts'
import type { WriteCheckpoint } from './checkpointer.ts'
import { type CheckpointOf, findCheckpoint, type SavedCheckpoint, writeCheckpoint } from './checkpoints.ts'
import { readHistory, type StateRow } from './rebuild.ts'
import { type Claimed, claimPosition } from './sql.ts'

/** What a partition's recovery asks of the database. */
export interface RecoverySession {
  /** Makes the partition ours. `start` is its position if it has none yet. */
  claimPosition(topic: string, partition: number, start: number, lane: string): Promise<Claimed>
  /** The newest valid checkpoint of this version at or before the position; null when there is none. */
  findCheckpoint(of: CheckpointOf): Promise<SavedCheckpoint | null>
  /** The partition's stored transactions from an offset on, in the order of their offsets. */
  readHistory(partition: number, from: number): AsyncIterable<StateRow[]>
}

/** Runs with one connection, which is closed afterwards. */
export type WithRecovery = <T>(use: (session: RecoverySession) => Promise<T>) => Promise<T>

export const postgresRecovery =
  (connection: ConnectionOptions): WithRecovery =>
  (use) =>
    withClient(connection, (client) =>
      use({
        claimPosition: (topic, partition, start, lane) =>
          claimPosition(client, topic, partition, start, lane),
        findCheckpoint: (of) => findCheckpoint(client, of),
        readHistory: (partition, from) => readHistory(client, partition, from),
      }),
    )

/** Writes each checkpoint over a connection of its own. */
export const postgresCheckpoints =
  (connection: ConnectionOptions): WriteCheckpoint =>
  (of, snapshot, goOn) =>
    withClient(connection, (client) => writeCheckpoint(client, of, snapshot, goOn))

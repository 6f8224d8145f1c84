import type { Batch } from '../../pipeline/batch.ts'
import type { OpenSession } from '../../pipeline/store/session.ts'
import { parseCopy } from '../support/copy-parser.ts'
import { connect } from './connections.ts'
import { entryKey } from './database.ts'
import type { World } from './world.ts'

/** @param name the lane's, as application_name */
export const simSessions =
  (world: World, name: string): OpenSession =>
  async (onLost) => {
    const connection = await connect(world, name, onLost)
    const { database } = world
    const { backend } = connection
    // What is sent is sent: the buffers are used again, be it after a loss of the connection.
    async function copy(chunks: readonly Buffer[]): Promise<void> {
      const rows = parseCopy(Buffer.concat(chunks))
      const progress = { row: 0 }
      await connection.call('copy', () => database.copy(backend, rows, progress))
    }
    return {
      async store(chunks, batches, moves) {
        // Who is stopped, or dies, before he has sent the end of the rows keeps what they lock until the server notices.
        if (chunks.length > 0) await copy(chunks)
        const skipped = batches.flatMap(skippedOf)
        await connection.message([
          ['insertSkipped', () => database.insertSkipped(backend, skipped)],
          ['movePositions', () => database.movePositions(backend, moves)],
          ['commit', () => database.commit(backend)],
        ])
      },
      async probe(chunks) {
        await copy(chunks)
        await connection.call('rollback', () => database.rollback(backend))
      },
      readPosition: (_topic, partition) =>
        connection.call('readPosition', () => database.readPosition(backend, partition)),
      findStored: (transactions) => connection.call('findStored', () => database.findStored(transactions)),
      ensurePartition: (at) => connection.call('ensurePartition', () => database.ensurePartition(at)),
      endStopped: () => connection.call('endStopped', () => database.endOtherLanes(backend)),
      close: async () => connection.close(),
      destroy: () => connection.lose(new Error('Connection terminated')),
    }
  }

const skippedOf = ({ owner, duplicates, rejects }: Batch): [string, string][] => [
  ...duplicates.map((offset): [string, string] => [entryKey(owner.partition, offset), 'DUPLICATE']),
  ...rejects.map(({ record, code }): [string, string] => [entryKey(owner.partition, record.offset), code]),
]

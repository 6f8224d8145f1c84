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
    return {
      begin: () => connection.call('begin', () => database.begin(backend)),
      copy(chunks) {
        const progress = { row: 0 }
        // What is sent is sent: the buffers are used again, be it after a loss of the connection.
        const rows = parseCopy(Buffer.concat(chunks))
        return connection.call('copy', () => database.copy(backend, rows, progress))
      },
      insertSkipped: (batch) =>
        connection.call('insertSkipped', () => database.insertSkipped(backend, skippedOf(batch))),
      movePositions: (moves) =>
        connection.call('movePositions', () => database.movePositions(backend, moves)),
      commit: () => connection.call('commit', () => database.commit(backend)),
      rollback: () => connection.call('rollback', () => database.rollback(backend)),
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

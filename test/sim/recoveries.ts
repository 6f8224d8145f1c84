import type { WriteCheckpoint } from '../../pipeline/store/checkpointer.ts'
import type { StateRow } from '../../pipeline/store/rebuild.ts'
import type { WithRecovery } from '../../pipeline/store/recovery.ts'
import type { Channel } from '../../schemas/transaction.ts'
import type { Row } from '../support/copy-parser.ts'
import { connect } from './connections.ts'
import type { World } from './world.ts'

const ROWS = 7

export const simRecovery =
  (world: World, name: string): WithRecovery =>
  async (use) => {
    const connection = await connect(world, name)
    const { database } = world
    try {
      return await use({
        async claimPosition(_topic, partition, start, lane) {
          await connection.call('claimPosition', () => database.insertPosition(partition, start))
          await connection.call('claimPosition', () => database.terminateOwner(partition, lane))
          const position = await connection.call('claimPosition', () =>
            database.takePosition(connection.backend, partition, lane),
          )
          return { position, last: null }
        },
        async findCheckpoint({ partition, position: latest }) {
          const found = await connection.call('findCheckpoint', () =>
            database.checkpoints
              .filter((c) => c.partition === partition && c.position <= latest)
              .reduce((a, b) => (b.position >= a.position ? b : a), {
                position: -1,
                accounts: 0,
                pieces: [] as Buffer[],
              }),
          )
          if (found.position === -1) return null
          world.count('restored from a checkpoint')
          const { position, accounts, pieces } = found
          async function* read() {
            for (const piece of pieces)
              yield await connection.call('findCheckpoint', () => Buffer.from(piece))
          }
          return { position, accounts, pieces: read() }
        },
        async *readHistory(partition, from) {
          const rows = await connection.call('readHistory', () => database.history(partition, from))
          for (let at = 0; at < rows.length; at += ROWS)
            yield await connection.call('readHistory', () => rows.slice(at, at + ROWS).map(stateRow))
        },
      })
    } finally {
      connection.close()
    }
  }

/** A row as the state sees it. */
export const stateRow = (row: Row): StateRow => [
  row.account_id as string,
  row.timestamp as number,
  Number(row.amount),
  row.currency as string,
  row.merchant_id as string | null,
  row.merchant_category as string,
  row.location as string,
  row.channel as Channel,
  row.kafka_offset as number,
]

export const simCheckpoints =
  (world: World, name: string): WriteCheckpoint =>
  async ({ partition, position }, snapshot, goOn) => {
    const connection = await connect(world, name)
    try {
      const pieces: Buffer[] = []
      await connection.call('writeCheckpoint', () => {})
      for (const piece of snapshot.pieces()) {
        if (!goOn()) return null
        const copied = Buffer.from(piece)
        await connection.call('writeCheckpoint', () => pieces.push(copied))
      }
      await connection.call('writeCheckpoint', () => {
        world.database.checkpoints.push({ partition, position, accounts: snapshot.accounts, pieces })
      })
      return pieces.reduce((sum, piece) => sum + piece.length, 0)
    } finally {
      connection.close()
    }
  }

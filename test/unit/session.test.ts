import assert from 'node:assert/strict'
import type { Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { movesOf } from '../../pipeline/store/moves.ts'
import { postgresSessions, type StoreSession } from '../../pipeline/store/session.ts'
import { batchOf } from '../support/batches.ts'
import { endsRows } from '../support/database-proxy.ts'
import { silentPostgres } from '../support/silent-postgres.ts'
import { transaction } from '../support/transactions.ts'

const MISSING_TABLE = Buffer.from('SERROR\0C42P01\0Mthere is no such table\0\0', 'latin1')
const READY = message('Z', Buffer.from('I'))
const STORED = Buffer.concat([
  message('G', Buffer.from([1, 0, 0])),
  message('C', Buffer.from('COPY 1\0')),
  message('C', Buffer.from('CALL\0')),
  READY,
])
const CHUNK = 256 * 1024
/** More than the system takes from a client whose server does not read. */
const CHUNKS = 80

function message(type: string, body: Buffer): Buffer {
  const head = Buffer.from(`${type}\0\0\0\0`, 'latin1')
  head.writeInt32BE(body.length + 4, 1)
  return Buffer.concat([head, body])
}

function storeChunks(session: StoreSession, chunks: number): Promise<void> {
  const batches = [batchOf([transaction()])]
  const rows = Array.from({ length: chunks }, () => Buffer.alloc(CHUNK, 'r'))
  return session.store(rows, batches, movesOf(batches))
}

/** A server that refuses the first COPY at its text and reads no further until `goOn`; the next one it takes. */
async function refusingOnce(t: TestContext) {
  let socket: Socket | null = null
  let tail = Buffer.alloc(0)
  let isNext = false
  const { url } = await silentPostgres(t, (bytes, from) => {
    if (socket === null) {
      socket = from
      from.pause()
      from.write(Buffer.concat([message('E', MISSING_TABLE), READY]))
      return
    }
    const seen = Buffer.concat([tail, bytes])
    isNext ||= seen.includes('COPY transactions')
    tail = seen.subarray(-20)
    if (isNext && endsRows(seen)) from.write(STORED)
  })
  return { url, goOn: () => socket?.resume() }
}

for (const chunks of [1, 2, CHUNKS])
  test(`a COPY of ${chunks} chunks that is refused while its rows are on their way is an error, and the next one is stored`, async (t) => {
    const server = await refusingOnce(t)
    const open = postgresSessions({ connectionString: server.url, application_name: 'weir-test' })
    const lost: Error[] = []
    const session = await open((error) => lost.push(error))
    t.after(() => session.destroy())
    await assert.rejects(storeChunks(session, chunks), { code: '42P01' })
    const next = storeChunks(session, 1)
    server.goOn()
    await next
    assert.deepEqual(lost, [])
  })

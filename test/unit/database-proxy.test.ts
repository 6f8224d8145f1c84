import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { movesOf } from '../../pipeline/store/moves.ts'
import { postgresSessions } from '../../pipeline/store/session.ts'
import { batchOf } from '../support/batches.ts'
import {
  type AskedMove,
  COPY_DONE,
  databaseProxy,
  endsRows,
  tellsOfCommit,
  type Way,
} from '../support/database-proxy.ts'
import { silentPostgres } from '../support/silent-postgres.ts'
import { transaction } from '../support/transactions.ts'

const TAKES_ROWS = Buffer.from('G\0\0\0\x07\x01\0\0', 'latin1')
const STORED = Buffer.from('C\0\0\0\x0bCOPY 1\0C\0\0\0\x09CALL\0Z\0\0\0\x05I', 'latin1')

/** Stores a row by way of a proxy. @param onStored called when the server answers @returns what it got */
async function storeBy(t: TestContext, way: Way, onStored = () => {}): Promise<Buffer> {
  const got: Buffer[] = []
  const { url, closed } = await silentPostgres(t, (bytes, socket) => {
    if (got.length === 0) socket.write(TAKES_ROWS)
    got.push(bytes)
    if (!endsRows(bytes)) return
    setTimeout(() => {
      onStored()
      socket.write(STORED)
    }, 50)
  })
  const proxy = await databaseProxy(t, url, way)
  const session = await postgresSessions({ connectionString: proxy.url, application_name: 'test' })(() => {})
  const batches = [batchOf([transaction()])]
  await assert.rejects(session.store([Buffer.alloc(1000, 'r')], batches, movesOf(batches)), /terminated/)
  await closed
  assert.equal(proxy.cuts, 1)
  return Buffer.concat(got)
}

test('a proxy that cuts before a COMMIT forwards all rows and not their end', async (t) => {
  const got = await storeBy(t, {
    toServer: (bytes) => (endsRows(bytes) ? bytes.length - COPY_DONE.length : 'pass'),
  })
  assert.equal(String(got.subarray(-1000)), 'r'.repeat(1000))
})

test('a proxy that cuts before an answer has forwarded all, and knows what was asked for', async (t) => {
  let isStored = false
  let asked: AskedMove[] = []
  const way: Way = {
    toClient: (bytes) => (tellsOfCommit(bytes) ? 'cut' : 'pass'),
    async atCut(connection) {
      assert.ok(isStored)
      asked = connection.asked
    },
  }
  const got = await storeBy(t, way, () => {
    isStored = true
  })
  assert.ok(endsRows(got))
  assert.deepEqual(
    asked.map(({ partition, expected, next_offset, stored }) => [partition, expected, next_offset, stored]),
    [[0, 0, 1, 1]],
  )
})

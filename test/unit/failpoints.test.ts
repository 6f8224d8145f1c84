import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { type TestContext, test } from 'node:test'
import type { Failpoint } from '../../pipeline/failpoint.ts'
import { COPY_DONE } from '../support/database-proxy.ts'
import { silentPostgres } from '../support/silent-postgres.ts'

const ROWS = 'r'.charCodeAt(0)
const CHUNK = 256 * 1024

/** What a server has got of a lane's transaction when the lane's process is killed at the point. */
async function gotAt(t: TestContext, point: Failpoint, chunks: number[]) {
  const got: Buffer[] = []
  const { url, closed } = await silentPostgres(t, (bytes) => got.push(bytes))
  const script = new URL('../support/store-and-die.ts', import.meta.url)
  const lane = fork(script, [url, point, ...chunks.map(String)], { execArgv: ['--import', 'tsx'] })
  t.after(() => lane.kill('SIGKILL'))
  const [[, signal]] = await Promise.all([once(lane, 'exit'), closed])
  assert.equal(signal, 'SIGKILL')
  const all = Buffer.concat(got)
  return {
    statements: all.includes('CALL move_positions'),
    rows: all.subarray(all.indexOf(0, 5)).filter((byte) => byte === ROWS).length,
    isEnded: all.subarray(-COPY_DONE.length).equals(COPY_DONE),
  }
}

test('a process that is killed in a COPY has sent some of its rows', async (t) => {
  const { rows, ...got } = await gotAt(t, 'in-copy', [CHUNK, CHUNK, CHUNK])
  assert.deepEqual(got, { statements: true, isEnded: false })
  assert.equal(rows, CHUNK)
})

for (const point of ['after-copy', 'before-commit'] as const)
  test(`a process that is killed at ${point} has sent all rows, and not that they are all`, async (t) => {
    const got = await gotAt(t, point, [CHUNK, CHUNK, CHUNK])
    assert.deepEqual(got, { statements: true, rows: 3 * CHUNK, isEnded: false })
  })

for (const chunks of [[100], [80_000], [CHUNK, CHUNK, CHUNK]])
  test(`a process that is killed after it sent ${chunks} bytes has sent all`, async (t) => {
    const rows = chunks.reduce((sum, size) => sum + size, 0)
    assert.deepEqual(await gotAt(t, 'after-send', chunks), { statements: true, rows, isEnded: true })
  })

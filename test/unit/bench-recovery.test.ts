import assert from 'node:assert/strict'
import { test } from 'node:test'
import { accountsInTurn } from '../../bench/accounts-in-turn.ts'
import { PipelineLog } from '../../bench/pipeline-log.ts'
import { type PositionRow, Takeover } from '../../bench/takeover.ts'
import { validate } from '../../pipeline/decode/validate.ts'

const row = (partition: number, next_offset: number, owner: string): PositionRow => ({
  partition,
  next_offset,
  owner,
})

test('a claimed partition has not moved yet', () => {
  const takeover = new Takeover([row(0, 10, 'old'), row(1, 20, 'old')])
  takeover.look([row(0, 10, 'old'), row(1, 20, 'old')], 100)
  assert.equal(takeover.claimedAt, null)
  takeover.look([row(0, 10, 'new'), row(1, 20, 'old')], 200)
  assert.equal(takeover.claimedAt, 200)
  assert.equal(takeover.firstMoveAt, null)
})

test('the first move is of any partition, the last one of all of them', () => {
  const takeover = new Takeover([row(0, 10, 'old'), row(1, 20, 'old')])
  takeover.look([row(0, 10, 'new'), row(1, 20, 'old')], 200)
  takeover.look([row(0, 11, 'new'), row(1, 20, 'new')], 300)
  assert.deepEqual([takeover.firstMoveAt, takeover.allMovedAt], [300, null])
  takeover.look([row(0, 15, 'new'), row(1, 21, 'new')], 400)
  assert.deepEqual([takeover.claimedAt, takeover.firstMoveAt, takeover.allMovedAt], [200, 300, 400])
})

test('what the killed process had sent before, and the server commits after its end, is no recovery', () => {
  const takeover = new Takeover([row(0, 10, 'old')])
  takeover.look([row(0, 12, 'old')], 100)
  takeover.look([row(0, 12, 'new')], 200)
  assert.equal(takeover.firstMoveAt, null)
  takeover.look([row(0, 13, 'new')], 300)
  assert.equal(takeover.firstMoveAt, 300)
})

test('a claim and a move between two looks count as both', () => {
  const takeover = new Takeover([row(0, 10, 'old')])
  takeover.look([row(0, 11, 'new')], 100)
  assert.deepEqual([takeover.claimedAt, takeover.firstMoveAt, takeover.allMovedAt], [100, 100, 100])
})

test("the log's messages about partitions and checkpoints are kept, anything else is passed over", () => {
  const log = new PipelineLog()
  const taken = (partition: number, replayed: number, ms: number) =>
    JSON.stringify({ level: 'info', partition, replayed, accounts: 5, ms, msg: 'partition taken' })
  log.read(taken(0, 3, 10))
  log.read(taken(1, 4, 20))
  log.read('{"msg":"checkpoint written","partition":1,"bytes":10}')
  log.read('{"msg":"pipeline starts"}')
  log.read('(node:1) Warning: something')
  log.read('null')
  assert.deepEqual([log.sum('replayed'), log.sum('accounts'), log.sum('ms')], [7, 10, 30])
  assert.deepEqual(
    log.checkpoints.map(({ partition }) => partition),
    [1],
  )
})

test('a partition that is taken again counts once, as it was taken last', () => {
  const log = new PipelineLog()
  for (const replayed of [3, 8])
    log.read(JSON.stringify({ partition: 0, replayed, accounts: 5, ms: 1, msg: 'partition taken' }))
  assert.equal(log.sum('replayed'), 8)
})

test('after as many transactions as accounts each account has one, and what follows is new', () => {
  const stream = accountsInTurn(700, 1400)
  const found = Array.from({ length: 2100 }, () => stream.next().value)
  for (let round = 0; round < 3; round++) {
    const accounts = found.slice(round * 700, (round + 1) * 700).map((tx) => tx.account_id)
    assert.equal(new Set(accounts).size, 700)
  }
  assert.equal(new Set(found.map((tx) => tx.transaction_id)).size, 2100)
})

test('the transactions are valid, in the order of their times, and the same ones each time', () => {
  const firstOf = () => {
    const stream = accountsInTurn(100, 500)
    return Array.from({ length: 500 }, () => stream.next().value)
  }
  const found = firstOf()
  for (const tx of found) assert.equal(validate(tx, Date.UTC(2026, 0, 1) - 86_400_000, Buffer.alloc(0)), null)
  assert.ok(found.every((tx, i) => i === 0 || tx.timestamp >= found[i - 1].timestamp))
  assert.deepEqual(found, firstOf())
})

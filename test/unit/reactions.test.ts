import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FatalError } from '../../pipeline/errors.ts'
import { backOff, type Reaction, reactionTo } from '../../pipeline/store/reactions.ts'
import { pass, stopTime } from '../support/time.ts'

const withCode = (code: string | undefined, constraint?: string) =>
  Object.assign(new Error('it failed'), { code, constraint })

const reactions: [Reaction, string, (string | undefined)[]][] = [
  [
    'retry',
    'a lost or refused connection',
    [undefined, 'ECONNREFUSED', 'ECONNRESET', 'ETIMEDOUT', 'ENOTFOUND'],
  ],
  ['retry', 'an error number that is as long as an SQLSTATE', ['EPIPE', 'EPERM', 'EBUSY']],
  ['retry', 'a connection that the server ended', ['08006', '57P01', '57P02', '57P03', '25P03', '25P04']],
  ['retry', 'a deadlock or a serialization failure', ['40P01', '40001']],
  ['retry', 'a full disk, or too many connections', ['53100', '53300', '58030']],
  ['retry', 'an object that is in use, or a query that was ended', ['55006', '57014']],
  ['blocked', 'a lock that was waited for too long', ['55P03']],
  ['retry', 'a read-only server', ['25006']],
  ['retry', 'a password that is just being changed', ['28P01', '28000']],
  ['retry', 'a fault inside PostgreSQL', ['XX000']],
  ['duplicate', 'a unique violation', ['23505']],
  ['bad-row', 'a value that PostgreSQL refuses', ['22003', '22021', '22P03', '22P05', '23502', '54000']],
  ['exit', 'a missing table or right, a missing database', ['42P01', '42501', '3D000']],
  ['exit', 'an exception raised by a function', ['P0001']],
]
for (const [reaction, what, codes] of reactions) {
  test(`${what}: ${reaction}`, () => {
    for (const code of codes) assert.equal(reactionTo(withCode(code)), reaction, code)
  })
}

test('a broken check is the row’s fault; without a constraint it is a missing month, which passes', () => {
  assert.equal(reactionTo(withCode('23514', 'transactions_status')), 'bad-row')
  assert.equal(reactionTo(withCode('23514')), 'retry')
})

test('a fault of our own, or what was found to be fatal, is not tried again', () => {
  const outOfRange = () => Buffer.alloc(4).writeInt32BE(2 ** 40)
  assert.throws(outOfRange, (error: Error) => reactionTo(error) === 'exit')
  assert.equal(reactionTo(new TypeError('undefined is not a function')), 'exit')
  assert.equal(reactionTo(new FatalError('none of its rows')), 'exit')
})

test('the waits double from at most 100 ms up to 5 s, and at least half of each is waited', async (t) => {
  stopTime(t)
  const { signal } = new AbortController()
  const longest = [100, 200, 400, 800, 1600, 3200, 5000, 5000]
  for (const [i, ms] of [...longest.entries(), [4000, 5000]]) {
    for (const chance of [0, 0.9999999]) {
      t.mock.method(Math, 'random', () => chance)
      let waited = false
      backOff(i + 1, signal).then(() => {
        waited = true
      })
      const due = ms * (chance === 0 ? 0.5 : 1)
      await pass(t, due - 1)
      assert.equal(waited, false, `try ${i + 1}`)
      await pass(t, 1)
      assert.equal(waited, true, `try ${i + 1}`)
    }
  }
})

test('closing ends a wait', async () => {
  const closing = new AbortController()
  const wait = backOff(20, closing.signal)
  closing.abort()
  await assert.rejects(wait, { name: 'AbortError' })
})

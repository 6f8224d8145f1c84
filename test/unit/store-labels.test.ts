import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Reject } from '../../pipeline/errors.ts'
import { type LabelBatch, type StoreOptions, storeLabels } from '../../pipeline/labels/store-labels.ts'
import { unlessAborted, whileAlive } from '../../pipeline/source/while-alive.ts'
import { createLogger } from '../../schemas/log.ts'
import { label } from '../support/labels.ts'
import { record } from '../support/transactions.ts'

const log = createLogger('test', 'silent')

const batchOf = (ids: string[]): LabelBatch => ({
  topic: 'labels',
  partition: 0,
  labels: ids.map((id) => ({ label: label({ transaction_id: id }), record: record(Buffer.from(id)) })),
  rejects: [],
})

const sqlError = (code: string, constraint?: string): Error =>
  Object.assign(new Error(`SQLSTATE ${code}`), { code, constraint })

interface Faults {
  /** The error of an insert of these ids. */
  insert?: (ids: string[]) => Error | null
  send?: () => Error | null
}

/** A table and a dead-letter topic that fail as the test says, and what they took. */
function world({ insert = () => null, send = () => null }: Faults = {}) {
  const stored: string[] = []
  const sent: Reject[] = []
  const waiting: boolean[] = []
  const end = new AbortController()
  const counts = { stopped: 0 }
  const options: StoreOptions = {
    table: {
      async insert(labels) {
        const ids = labels.map(({ transaction_id }) => transaction_id)
        const error = insert(ids)
        if (error !== null) throw error
        stored.push(...ids)
        return { fraud: ids.length, genuine: 0 }
      },
      async endStopped() {
        counts.stopped++
      },
    },
    deadLetters: {
      async send(_topic, _partition, rejects) {
        const error = send()
        if (error !== null) throw error
        sent.push(...rejects)
      },
    },
    log,
    signal: end.signal,
    onWaiting: (on) => void waiting.push(on),
  }
  return { options, stored, sent, waiting, end, counts }
}

const times = (count: number, error: Error) => () => (count-- > 0 ? error : null)

test('labels that PostgreSQL refuses are found, the others are stored in their order', async () => {
  const bad = ['t-3', 't-4', 't-9']
  const { options, stored, sent } = world({
    insert: (ids) => (ids.some((id) => bad.includes(id)) ? sqlError('23514', 'a_rule') : null),
  })
  const batch = batchOf(Array.from({ length: 11 }, (_, i) => `t-${i}`))
  assert.deepEqual(await storeLabels(batch, options), { fraud: 8, genuine: 0 })
  assert.deepEqual(stored, ['t-0', 't-1', 't-2', 't-5', 't-6', 't-7', 't-8', 't-10'])
  assert.deepEqual(
    sent.map(({ record, code, message }) => [record.value!.toString(), code, message]),
    bad.map((id) => [id, 'INVALID_LABEL', 'SQLSTATE 23514']),
  )
})

for (const [what, error] of [
  ['a lost connection', new Error('Connection terminated unexpectedly')],
  ['a server that stops', sqlError('57P01')],
  ['a missing table', sqlError('42P01')],
  ['a missing permission', sqlError('42501')],
] as const) {
  test(`${what} is waited for, and makes no dead letter`, async () => {
    const { options, stored, sent, waiting } = world({ insert: times(2, error) })
    await storeLabels(batchOf(['a', 'b']), options)
    assert.deepEqual(stored, ['a', 'b'])
    assert.deepEqual(sent, [])
    assert.deepEqual(waiting, [true, true, false])
  })
}

test('after a wait for a lock that was too long, stopped lanes are ended', async () => {
  const { options, stored, counts } = world({ insert: times(1, sqlError('55P03')) })
  await storeLabels(batchOf(['a']), options)
  assert.deepEqual([stored, counts.stopped], [['a'], 1])
})

test('a dead-letter topic that is away is waited for', async () => {
  const { options, sent } = world({ send: times(2, new Error('no leader')) })
  const batch = batchOf([])
  batch.rejects.push({ record: record(null), code: 'INVALID_LABEL', message: 'none' })
  await storeLabels(batch, options)
  assert.equal(sent.length, 1)
})

test('closing ends the trying', async () => {
  const { options, end } = world({ insert: () => new Error('away') })
  const storing = storeLabels(batchOf(['a']), options)
  await sleep(20)
  end.abort()
  await assert.rejects(storing, { name: 'AbortError' })
})

test('work that takes long has heartbeats, and none afterwards', async () => {
  let beats = 0
  const beat = async () => void beats++
  assert.equal(await whileAlive(sleep(75, 'done'), beat, 10), 'done')
  assert.ok(beats >= 2, `${beats} heartbeats`)
  const before = beats
  await sleep(50)
  assert.equal(beats, before)
})

test('a heartbeat that fails ends the wait, whatever the work does later', async () => {
  const work = sleep(30).then(() => {
    throw new Error('later')
  })
  const beat = async () => {
    throw new Error('rebalancing')
  }
  await assert.rejects(whileAlive(work, beat, 5), /rebalancing/)
  await sleep(50)
})

test('a wait ends with its work or with its signal, and leaves no listener behind', {
  timeout: 5000,
}, async (t) => {
  const end = new AbortController()
  const remove = t.mock.method(end.signal, 'removeEventListener')
  await unlessAborted(sleep(5), end.signal)
  assert.equal(remove.mock.callCount(), 1)
  const failing = unlessAborted(Promise.reject(new Error('broken')), end.signal)
  await assert.rejects(failing, /broken/)
  const never = new Promise<void>(() => {})
  setTimeout(() => end.abort(), 20)
  await whileAlive(unlessAborted(never, end.signal), async () => {}, 5)
  await unlessAborted(never, end.signal)
})

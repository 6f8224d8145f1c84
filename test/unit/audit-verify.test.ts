import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Anchor } from '../../api/audit/anchor.ts'
import { type Entry, GENESIS, hashOfEntry } from '../../api/audit/entry.ts'
import { verify } from '../../api/audit/verify.ts'

/** A chain of ten; the tests over a real one are in test/integration/audit-forgers.test.ts. */
function chain(): Entry[] {
  const entries: Entry[] = []
  for (let seq = 1; seq <= 10; seq++) {
    const entry: Entry = {
      seq: String(seq),
      id: String(seq),
      changed_at: `2026-11-24T09:30:0${seq - 1}.000000Z`,
      actor: 'actor',
      action: 'status',
      details: '{}',
      transaction_id: `T-${seq}`,
      timestamp: '2026-11-24T09:00:00.000000Z',
      previous_status: 'NEW',
      new_status: 'FRAUD',
      note: null,
      request_id: 'r',
      previous_hash: entries.at(-1)?.hash ?? GENESIS,
      hash: '',
    }
    entries.push({ ...entry, hash: hashOfEntry(entry) })
  }
  return entries
}

async function found(entries: Entry[], anchors: Anchor[] = []) {
  async function* pages() {
    yield entries
  }
  const last = entries.at(-1)!
  const head = { seq: Number(last.seq), hash: last.hash, database: 'test' }
  return (await verify(pages(), head, anchors)).findings.map(({ kind, seq }) => `${kind} ${seq}`)
}

test('each column of a row is in its hash: one that is edited is named', async () => {
  assert.deepEqual(await found(chain()), [])
  const columns = Object.keys(chain()[0]).filter((name) => !['seq', 'hash'].includes(name)) as (keyof Entry)[]
  for (const column of columns) {
    const entries = chain()
    entries[6][column] = `${entries[6][column] ?? ''}x`
    assert.deepEqual(await found(entries), ['edited 7'], column)
  }
})

test('a chain that was written anew is found by its anchors behind the change', async () => {
  const entries = chain()
  const anchors = [5, 10].map((seq) => ({ seq, hash: entries[seq - 1].hash, at: 'then', database: 'test' }))
  assert.deepEqual(await found(entries, anchors), [])
  entries[6].note = 'never said'
  for (let i = 6; i < 10; i++) {
    entries[i].previous_hash = entries[i - 1].hash
    entries[i].hash = hashOfEntry(entries[i])
  }
  assert.deepEqual(await found(entries), [])
  assert.deepEqual(await found(entries, anchors), ['anchor 10'])
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { measureStages } from '../../bench/stages.ts'
import { purchases } from '../../bench/stages-month.ts'
import { standInTrees } from '../../bench/stages-trees.ts'
import { FEATURE_COUNT } from '../../pipeline/features/features.ts'
import { unpackBoosted } from '../../pipeline/models/artifact.ts'
import { openModel } from '../../pipeline/models/model.ts'
import { LEAF } from '../../pipeline/models/trees.ts'
import { createRandom } from '../../pipeline/produce/random.ts'
import { loadSettings } from '../../schemas/settings.ts'

test('all stages of a small month are measured', async () => {
  const said: string[] = []
  const report = await measureStages({
    accounts: 50,
    records: 5000,
    settings: loadSettings(),
    progress: (line) => said.push(line),
    signal: new AbortController().signal,
  })
  for (const [name, value] of Object.entries(report)) {
    if (name.endsWith('_us')) assert.ok((value as number) > 0, name)
  }
  assert.equal(report.memory.accounts_seen, 50)
  assert.equal(report.memory.transactions, 3750)
  assert.ok(report.anomalies > 0)
  assert.equal(said[0], 'A month of 50 accounts: 3,750 transactions ...')
})

test('the purchases are in the order of their times, the same ones for a seed, and all of the accounts given', () => {
  const [stream, again] = [purchases(20), purchases(20)]
  const accounts = new Set<string>()
  let last = 0
  for (let i = 0; i < 500; i++) {
    const { value } = stream.next()
    assert.deepEqual(again.next().value, value)
    assert.ok(value.timestamp >= last)
    last = value.timestamp
    accounts.add(value.account_id)
  }
  assert.equal(accounts.size, 20)
})

test('the stand-in for trained trees has 100 trees of 15 leaves, and can be opened as a model', () => {
  const random = createRandom(3)
  const rows = 500
  const features = Float64Array.from({ length: rows * FEATURE_COUNT }, () =>
    random.chance(0.1) ? Number.NaN : random.normal(),
  )
  const artifact = standInTrees(features, rows)
  const { roots, input } = unpackBoosted(artifact.trees)
  assert.equal(roots.length, 100)
  assert.equal(input.filter((column) => column === LEAF).length, 100 * 15)
  const scores = new Set(
    Array.from({ length: rows }, (_, row) => openModel(artifact).score(features, row * FEATURE_COUNT)),
  )
  assert.ok(scores.size > 100)
  assert.ok([...scores].every((score) => score > 0 && score < 1))
})

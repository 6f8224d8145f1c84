import assert from 'node:assert/strict'
import { test } from 'node:test'
import { renderStages, type Sample, type StagesContext, summariseStages } from '../../bench/stages-report.ts'
import { HOST } from '../support/host.ts'

const context: StagesContext = {
  accounts: 1_000_000,
  records: 60_000,
  memory: { transactions: 75_000_000, accounts_seen: 1_000_000, state_bytes: 9.4e8, heap_bytes: 8e7 },
  host: HOST,
}

const sample = (us: number, explained: number | null = 10 * us): Sample => ({
  decode_us: us,
  features_us: 2 * us,
  rules_us: us / 2,
  isolation_forest_us: 3 * us,
  boosted_trees_us: 4 * us,
  encode_us: us,
  explain_isolation_forest_us: explained,
  explain_boosted_trees_us: explained,
  anomalies: explained === null ? 0 : 7,
})

/** The first third is out: 9 and 8 do not count. */
const samples = [sample(9), sample(8), sample(1), sample(1.2), sample(0.8, null), sample(1.1)]

test('each figure is the median of the batches after the first third', () => {
  const report = summariseStages(samples, context)
  assert.equal(report.batches, 4)
  assert.equal(report.decode_us, 1.05)
  assert.equal(report.features_us, 2.1)
  assert.equal(report.anomalies, 21)
  // One batch had no anomaly.
  assert.equal(report.explain_boosted_trees_us, 11)
})

test('a single batch is measured, not left out to warm up; without anomalies nothing is told of explaining', () => {
  const report = summariseStages([sample(1, null)], context)
  assert.equal(report.batches, 1)
  assert.equal(report.explain_isolation_forest_us, null)
  assert.match(renderStages(report), /Explaining an anomaly: not measured with the isolation forest/)
})

test('the JSON has the keys that other programs read', () => {
  const report = JSON.parse(JSON.stringify(summariseStages(samples, context)))
  for (const key of [
    'decode_us',
    'features_us',
    'rules_us',
    'isolation_forest_us',
    'boosted_trees_us',
    'encode_us',
    'explain_isolation_forest_us',
    'explain_boosted_trees_us',
    'accounts',
    'records',
    'state_bytes_per_account',
    'heap_bytes_per_account',
    'host',
  ]) {
    assert.ok(key in report, key)
  }
  assert.equal(report.state_bytes_per_account, 940)
  assert.equal(report.heap_bytes_per_account, 80)
})

test('the text has a line a stage, the bytes of an account, the month and the machine', () => {
  const text = renderStages(summariseStages(samples, context))
  assert.match(text, /^features {2,}2\.10 us a transaction$/m)
  assert.match(text, /^model: boosted trees, 100 x 15 {2,}4\.20 us a transaction$/m)
  assert.match(
    text,
    /^1,000,000 accounts after a month of 75,000,000 transactions: 940 bytes an account, and 80 for their ids\.$/m,
  )
  assert.match(
    text,
    /median of 4 batches with 21 anomalies \(2 cores of Some CPU, 24 GiB, linux x64, Node 24\.21\.0; load before: 0\.5\)/,
  )
})

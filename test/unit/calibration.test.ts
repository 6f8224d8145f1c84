import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type ForestArtifact, packForest, versionOf } from '../../pipeline/models/artifact.ts'
import { calibrate, calibrated } from '../../pipeline/models/calibration.ts'
import { FOREST_INPUTS, forestInputs } from '../../pipeline/models/inputs.ts'
import { rawScore, trainIsolationForest } from '../../pipeline/models/isolation-forest.ts'
import { defaultArtifact, openModel } from '../../pipeline/models/model.ts'
import { createRandom } from '../../pipeline/produce/random.ts'
import { featureRow } from '../support/batches.ts'
import { cloud } from '../support/forests.ts'

const ALERT = Math.fround(0.7)
const raws = (count: number, seed: number) => Float64Array.from({ length: count }, createRandom(seed).unit)
const flagged = (raw: Float64Array): number => {
  const calibration = calibrate(raw)
  return raw.filter((value) => Math.fround(calibrated(calibration, value)) >= ALERT).length
}

test('one in 500 of the training transactions gets at least 0.7', () => {
  for (const count of [500, 1000, 5000, 12_345, 100_000]) {
    assert.equal(flagged(raws(count, count)), Math.ceil(count / 500), String(count))
  }
})

test('equal raw scores are as rare as all of them together, so that none of many is an alert', () => {
  assert.equal(flagged(new Float64Array(1000).fill(0.5)), 0)
  const tied = raws(1000, 1).map((value) => Math.min(value, 0.7))
  assert.equal(flagged(tied), 0)
  const share = tied.filter((value) => value === 0.7).length / 1000
  const expected = (0.7 * Math.log(share)) / Math.log(1 / 500)
  assert.ok(Math.abs(calibrated(calibrate(tied), 0.7) - expected) < 0.011)
})

test('fewer than 500 training transactions raise no alert by themselves, nor can they tell what would', () => {
  const raw = raws(100, 2)
  assert.equal(flagged(raw), 0)
  assert.ok(calibrated(calibrate(raw), 2) < 0.7)
})

test('calibrated scores follow the formula at the knots', () => {
  const raw = raws(100_000, 3)
  const calibration = calibrate(raw)
  const sorted = raw.toSorted()
  for (const share of [0.5, 0.1, 0.01, 0.001, 0.0003]) {
    const value = sorted[Math.floor((1 - share) * raw.length)]
    const expected = (0.7 * Math.log(share)) / Math.log(1 / 500)
    assert.ok(Math.abs(calibrated(calibration, value) - expected) < 0.01, `share ${share}`)
  }
  assert.equal(calibrated(calibration, 1), 1)
})

test('calibrated scores, as stored, never leave 0..1 and never fall as the raw score rises', () => {
  const value = fc.oneof(fc.double({ min: 0, max: 1, noNaN: true }), fc.constantFrom(0.25, 0.5, 0.75))
  fc.assert(
    fc.property(fc.array(value, { minLength: 1 }), fc.array(value), (training, asked) => {
      const calibration = calibrate(Float64Array.from(training))
      const scores = [...training, ...asked]
        .sort((a, b) => a - b)
        .map((raw) => Math.fround(calibrated(calibration, raw)))
      scores.forEach((score, i) => {
        assert.ok(score >= 0 && score <= 1 && (i === 0 || score >= scores[i - 1]), `${score} at ${i}`)
      })
    }),
  )
})

const rows = cloud(600, FOREST_INPUTS.length, 4)
const forest = trainIsolationForest(Float64Array.from(rows.flat()), FOREST_INPUTS.length, {
  trees: 20,
  samples: 256,
  random: createRandom(5).unit,
})
const calibration = calibrate(Float64Array.from(rows, (row) => rawScore(forest, Float64Array.from(row))))
const artifact: ForestArtifact = {
  kind: 'isolation-forest',
  features: [...FOREST_INPUTS],
  forest: packForest(forest),
  calibration,
  trained_from: null,
  trained_to: null,
  metrics: {},
}
const stored = () => JSON.parse(JSON.stringify(artifact))

test('a model that was stored and opened again scores to the bit as the one that was trained', () => {
  const model = openModel(stored())
  const inputs = new Float64Array(FOREST_INPUTS.length)
  for (const [amount, deviation] of rows) {
    const row = featureRow({ amount: amount ** 2, account_count: 9, account_mean: 1, deviation, count_1h: 2 })
    forestInputs(row, 0, inputs)
    assert.equal(model.score(row, 0), calibrated(calibration, rawScore(forest, inputs)))
  }
  assert.equal(model.version, versionOf(artifact))
})

test('the version is that of the content, in whatever order the database gives the keys', () => {
  const reversed = (value: unknown): unknown => {
    if (value === null || typeof value !== 'object' || Array.isArray(value)) return value
    const entries = Object.entries(value).map(([key, inner]) => [key, reversed(inner)])
    return Object.fromEntries(entries.reverse())
  }
  assert.equal(openModel(reversed(stored())).version, versionOf(artifact))
  const other = stored()
  other.forest.normal += 1
  assert.notEqual(openModel(other).version, versionOf(artifact))
})

test('a model for other features is refused, telling both lists', () => {
  const other = stored()
  other.features[0] = 'amount'
  assert.throws(() => openModel(other), /trained on \[amount,.*this version computes \[amount_ratio_log/)
})

const damages: [string, (model: ForestArtifact) => void][] = [
  ['another kind', (m) => Object.assign(m, { kind: 'lightgbm' })],
  ['no calibration', (m) => Object.assign(m, { calibration: undefined })],
  ['a knot without a score', (m) => void m.calibration.score.pop()],
  ['knots out of order', (m) => void m.calibration.raw.reverse()],
  ['a score above 1', (m) => void m.calibration.score.splice(-1, 1, 2)],
  ['a raw score that JSON could not keep', (m) => void m.calibration.raw.splice(0, 1, Number.NaN)],
  [
    'a cut-off text of thresholds',
    (m) => Object.assign(m.forest, { threshold: m.forest.threshold.slice(0, -7) }),
  ],
  ['a cut-off text of children', (m) => Object.assign(m.forest, { left: m.forest.left.slice(0, -5) })],
  ['no roots', (m) => Object.assign(m.forest, { roots: '' })],
  ['no normal', (m) => Object.assign(m.forest, { normal: 0 })],
]
for (const [what, damage] of damages) {
  test(`a damaged model is refused: ${what}`, () => {
    const model = stored()
    damage(model)
    assert.throws(() => openModel(JSON.parse(JSON.stringify(model))))
  })
}

test('the shipped model opens, finds a quiet transaction quiet and a drained account alarming', () => {
  const model = openModel(defaultArtifact())
  const usual = {
    account_count: 50,
    account_mean: 40,
    usual_amount: 40,
    count_1h: 0,
    count_24h: 1,
    sum_24h: 30,
    away_from_home: 0,
    late: 0,
  }
  assert.ok(model.score(featureRow({ ...usual, amount: 35, deviation: -0.2 }), 0) < 0.3)
  const drained = { amount: 4000, deviation: 80, count_1h: 6, sum_24h: 20_000, away_from_home: 1 }
  assert.ok(model.score(featureRow({ ...usual, ...drained }), 0) >= ALERT)
})

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { FEATURE_COUNT, FEATURES, type Feature } from '../../pipeline/features/features.ts'
import { type LightgbmArtifact, packBoosted, versionOf } from '../../pipeline/models/artifact.ts'
import { fromLightgbm } from '../../pipeline/models/lightgbm.ts'
import { defaultArtifact, openModel } from '../../pipeline/models/model.ts'
import { createRandom } from '../../pipeline/produce/random.ts'
import { featureRow } from '../support/batches.ts'

/** Made by LightGBM itself: see make-lightgbm.py beside it. NaN is null. */
const fixture = JSON.parse(readFileSync(new URL('../fixtures/lightgbm.json', import.meta.url), 'utf8'))
const { dump, probability, contributions, expected, raw } = fixture.models[0]
const rows: (number | null)[][] = fixture.rows

/** The model's five features are some of ours, in an order of its own. */
const NAMES = FEATURES.toReversed().slice(2, 7)
const { trees } = fromLightgbm(dump)
const artifact = (): LightgbmArtifact => ({
  kind: 'lightgbm',
  features: [...NAMES],
  trees: packBoosted(trees),
  trained_from: null,
  trained_to: null,
  metrics: {},
})
const stored = () => JSON.parse(JSON.stringify(artifact()))

test('a stored LightGBM model finds its features by name, wherever they stand in a row, and gives a probability', () => {
  const model = openModel(stored())
  rows.forEach((values, i) => {
    const given = Object.fromEntries(NAMES.map((name, k) => [name, values[k] ?? Number.NaN]))
    const batch = new Float64Array(3 * FEATURE_COUNT).fill(Number.NaN)
    batch.set(featureRow(given), 2 * FEATURE_COUNT)
    assert.ok(Math.abs(model.score(batch, 2 * FEATURE_COUNT) - probability[i]) < 1e-9)

    const explained = model.explain(batch, 2 * FEATURE_COUNT)
    const sum = explained.reduce((total, { contribution }) => total + contribution, expected)
    assert.ok(Math.abs(sum - raw[i]) < 1e-9)
    assert.deepEqual(
      explained.map(({ contribution }) => contribution),
      explained.map(({ contribution }) => contribution).toSorted((a, b) => b - a),
    )
    for (const { name, value, contribution } of explained) {
      const k = NAMES.indexOf(name as Feature)
      assert.equal(value, values[k] ?? Number.NaN)
      assert.ok(Math.abs(contribution - contributions[i][k]) < 1e-9)
    }
  })
})

test("the isolation forest's contributions add up: between two rows they differ as the raw scores do", () => {
  const shipped = defaultArtifact()
  const model = openModel(shipped)
  assert.ok(shipped.kind === 'isolation-forest')
  // Calibrated by itself: the score is the paper's.
  const knots = Array.from({ length: 1001 }, (_, i) => i / 1000)
  const plain = openModel({ ...shipped, calibration: { raw: knots, score: knots } })
  const random = createRandom(1)
  const rowOf = () =>
    featureRow({
      amount: Math.exp(3 + 2 * random.normal()),
      account_count: 20,
      account_mean: 30,
      usual_amount: 30,
      deviation: 4 * random.normal(),
      count_1h: Math.floor(4 * random.unit()),
      sum_24h: 100 * random.unit(),
      away_from_home: random.unit() < 0.5 ? 1 : 0,
    })
  const sums = Array.from({ length: 50 }, () => {
    const row = rowOf()
    const sum = model.explain(row, 0).reduce((total, { contribution }) => total + contribution, 0)
    return Math.log2(plain.score(row, 0)) - sum
  })
  for (const rest of sums) assert.ok(Math.abs(rest - sums[0]) < 1e-9)
  // The rest is the expected raw score, that of a quiet transaction: below 0.5, whose logarithm is -1.
  assert.ok(sums[0] > -1.5 && sums[0] < -1, String(sums[0]))
})

test('what drains an account is explained by the amount first', () => {
  const drained = {
    amount: 4000,
    account_count: 50,
    account_mean: 40,
    usual_amount: 40,
    deviation: 80,
    count_1h: 0,
    sum_24h: 0,
  }
  const [first] = openModel(defaultArtifact()).explain(featureRow({ ...drained, away_from_home: 0 }), 0)
  assert.ok(['amount_ratio_log', 'deviation', 'spend_24h_log'].includes(first.name), first.name)
  assert.ok(first.contribution > 0)
})

test('the version is that of the content, in whatever order the database gives the keys', () => {
  const reversed = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(reversed)
    if (value === null || typeof value !== 'object') return value
    return Object.fromEntries(
      Object.entries(value)
        .map(([key, inner]) => [key, reversed(inner)])
        .reverse(),
    )
  }
  assert.equal(openModel(reversed(stored())).version, versionOf(artifact()))
  assert.match(versionOf(artifact()), /^lightgbm-[0-9a-f]{12}$/)
  const other = artifact()
  other.features.reverse()
  assert.notEqual(versionOf(other), versionOf(artifact()))
})

test('a model of features that this version does not compute is refused, with their names and what to do', () => {
  const other = stored()
  other.features[1] = 'phase_of_the_moon'
  assert.throws(() => openModel(other), /lacks: phase_of_the_moon; .*npm run models -- list/)
  other.features[1] = 'toString'
  assert.throws(() => openModel(other), /lacks: toString/)
})

const split = trees.input.findIndex((input) => input !== 255)
const damages: [string, (model: LightgbmArtifact) => void][] = [
  ['a kind that is not known', (m) => Object.assign(m, { kind: 'oracle' })],
  ['no trees', (m) => Object.assign(m.trees, { roots: '' })],
  ['cut-off counts', (m) => Object.assign(m.trees, { cover: m.trees.cover.slice(0, -8) })],
  ['an input that is not there', (m) => void m.trees.inputs.pop()],
  ['a feature that is not there', (m) => void m.features.pop()],
  ['counts that do not add up', (m) => changed(m, (t) => void t.cover[split]++)],
  ['nodes that nothing reached', (m) => changed(m, (t) => t.cover.fill(0))],
  ['a child before its parent', (m) => changed(m, (t) => void t.left.fill(split, split, split + 1))],
  ['a leaf without a value', (m) => changed(m, (t) => void t.threshold.fill(Infinity))],
]
function changed(model: LightgbmArtifact, change: (copy: typeof trees) => void): void {
  const copy = structuredClone(trees)
  change(copy)
  model.trees = packBoosted(copy)
}
for (const [what, damage] of damages) {
  test(`a damaged LightGBM model is refused: ${what}`, () => {
    const model = stored()
    damage(model)
    assert.throws(() => openModel(JSON.parse(JSON.stringify(model))), /npm run models -- list/)
  })
}

test('what LightGBM writes is refused where it would be served otherwise than LightGBM does', () => {
  const node = dump.tree_info[0].tree_structure
  const withRoot = (changes: object) => ({
    ...dump,
    tree_info: [{ tree_structure: { ...node, ...changes } }],
  })
  assert.doesNotThrow(() => fromLightgbm(withRoot({})))
  const others = {
    categories: withRoot({ decision_type: '==' }),
    'a regression': { ...dump, objective: 'regression' },
    'several classes': { ...dump, num_tree_per_iteration: 3 },
    'a mean of trees': { ...dump, average_output: true },
    'no model': 'tree',
  }
  for (const [what, other] of Object.entries(others))
    assert.throws(() => fromLightgbm(other), /no model of LightGBM that can be served/, what)
})

import assert from 'node:assert/strict'
import { chmodSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { FEATURE_COUNT, FEATURES } from '../../pipeline/features/features.ts'
import { openModel } from '../../pipeline/models/model.ts'
import { createRandom } from '../../pipeline/produce/random.ts'
import { type LabelledRows, trainLightgbm } from '../../pipeline/train/lightgbm.ts'
import { type PythonOptions, pythonWithLightgbm } from '../../pipeline/train/python.ts'
import { cacheDirectory } from '../../schemas/cache-directory.ts'
import { loadSettings } from '../../schemas/settings.ts'

const never = new AbortController().signal

function emptyCache(t: TestContext): string {
  const cache = mkdtempSync(join(tmpdir(), 'weir-test-'))
  t.after(() => rmSync(cache, { recursive: true, force: true }))
  return cache
}

/** A python3 that is a script of the shell's: what it does when asked for its version, and to make an environment. */
function fakePython(t: TestContext, { version = 'exit 0', venv = 'exit 0' }): string {
  const path = join(emptyCache(t), 'python3')
  writeFileSync(path, `#!/bin/sh\ncase "$*" in *version_info*) ${version};; *venv*) ${venv};; esac\n`)
  chmodSync(path, 0o755)
  return path
}

/** An environment whose python does this; $4 is where it shall be. */
const making = (python: string): string =>
  `mkdir -p $4/bin; printf '#!/bin/sh\\n${python}\\n' > $4/bin/python; chmod +x $4/bin/python`

const faults: [string, (t: TestContext) => string, RegExp][] = [
  ['there is no python3', () => 'no-such-python', /needs Python 3\.11.*not there.*apt install python3/],
  ['it is too old', (t) => fakePython(t, { version: 'echo 3.8 >&2; exit 1' }), /needs Python 3\.11.*\n3\.8/s],
  ['it lacks venv', (t) => fakePython(t, { venv: 'exit 1' }), /virtual environment.*python3-venv/],
  [
    'the network is away',
    (t) => fakePython(t, { venv: making('case "$*" in *pip*) echo no route >&2; exit 1;; esac') }),
    /could not be installed.*network.*HTTPS_PROXY.*\nno route/s,
  ],
  [
    'LightGBM does not load',
    (t) => fakePython(t, { venv: making('case "$*" in *pip*) exit 0;; *) echo libgomp >&2; exit 1;; esac') }),
    /cannot be loaded.*libgomp1.*\nlibgomp/s,
  ],
]
for (const [what, python, message] of faults) {
  test(`training says what to do when ${what}, names the model that needs no Python, and leaves nothing behind`, async (t) => {
    const cache = emptyCache(t)
    const options = { cache, signal: never, say() {}, python: python(t) }
    await assert.rejects(pythonWithLightgbm(options), (error: Error) => {
      assert.match(error.message, message)
      assert.match(error.message, /--model isolation-forest/)
      return true
    })
    assert.deepEqual(readdirSync(cache), [])
  })
}

test('an environment is made once, and anew when it does not work any more', async (t) => {
  const cache = emptyCache(t)
  const said: string[] = []
  const python = fakePython(t, { venv: making('exit 0') })
  const options: PythonOptions = { cache, signal: never, say: (line) => said.push(line), python }
  const made = await pythonWithLightgbm(options)
  assert.equal(await pythonWithLightgbm(options), made)
  assert.equal(said.length, 1)
  rmSync(made)
  assert.equal(await pythonWithLightgbm(options), made)
  assert.match(said[1], /anew/)
  assert.equal(await pythonWithLightgbm(options), made)
  assert.equal(said.length, 3)
  assert.equal(readdirSync(cache).length, 1)
})

test('Ctrl-C ends the program under way with all that it started, and leaves nothing behind', async (t) => {
  const cache = emptyCache(t)
  const mark = join(cache, '..', `${process.pid}-still-there`)
  const controller = new AbortController()
  const python = fakePython(t, { venv: `(sleep 2; touch ${mark}) & wait` })
  const done = pythonWithLightgbm({ cache, signal: controller.signal, say() {}, python })
  setTimeout(() => controller.abort(), 300)
  await assert.rejects(done, { name: 'AbortError' })
  assert.deepEqual(readdirSync(cache), [])
  await new Promise((resolve) => setTimeout(resolve, 2200))
  assert.ok(!readdirSync(join(cache, '..')).includes(`${process.pid}-still-there`))
})

/** Frauds are large amounts at unknown places, with some noise. */
function sample(count: number, seed: number): LabelledRows {
  const features = [...FEATURES].reverse().slice(0, 6)
  const random = createRandom(seed)
  const values = Float64Array.from({ length: count * features.length }, () =>
    random.unit() < 0.1 ? Number.NaN : random.normal(),
  )
  const labels = Uint8Array.from({ length: count }, (_, row) => {
    const [a, b] = values.subarray(row * features.length)
    return (a > 1 || Number.isNaN(b)) === random.unit() < 0.95 ? 1 : 0
  })
  return { features, values: [values], labels: [labels], from: 0, to: 1 }
}

test('rows of one kind only are nothing to learn from', async (t) => {
  const { labels, ...rows } = sample(100, 1)
  const options = { cache: emptyCache(t), signal: never, say() {}, seed: 1 }
  for (const label of [0, 1])
    await assert.rejects(
      trainLightgbm({ ...rows, labels: [labels[0].map(() => label)] }, options),
      /learns from frauds and from others.*--model isolation-forest/,
    )
})

test('LightGBM trains for real: the same seed gives the same model, which tells frauds from others', async (t) => {
  const cache = cacheDirectory(loadSettings().WEIR_CACHE_DIR)
  const options = { cache, signal: never, say() {}, seed: 1, trees: 20 }
  try {
    await pythonWithLightgbm(options)
  } catch (error) {
    // Where the suite must be whole, a way to install that is broken must not pass as a machine without Python.
    if (process.env.CI) throw error
    t.skip((error as Error).message)
    return
  }
  const before = readdirSync(cache)
  const rows = sample(6000, 2)
  const counted: number[] = []
  const artifact = await trainLightgbm(rows, { ...options, onTree: (trees) => counted.push(trees) })
  assert.deepEqual(await trainLightgbm(rows, options), artifact)
  assert.deepEqual(
    counted,
    Array.from({ length: 20 }, (_, i) => i + 1),
  )
  assert.deepEqual(readdirSync(cache), before)
  assert.deepEqual(artifact.features, rows.features)
  assert.equal(artifact.metrics.transactions, 6000)
  assert.ok(artifact.metrics.training_auc > 0.85, JSON.stringify(artifact.metrics))

  const model = openModel(JSON.parse(JSON.stringify(artifact)))
  const row = new Float64Array(FEATURE_COUNT).fill(0)
  const first = FEATURES.indexOf(rows.features[0] as (typeof FEATURES)[number])
  row[first] = 3
  const high = model.score(row, 0)
  row[first] = -1
  assert.ok(high > 0.5 && model.score(row, 0) < 0.3, `${high} ${model.score(row, 0)}`)
})

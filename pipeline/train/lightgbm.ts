import { mkdir, mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type LightgbmArtifact, packBoosted } from '../models/artifact.ts'
import { type BoostedTrees, InputReader, rawScore } from '../models/boosted-trees.ts'
import { fromLightgbm } from '../models/lightgbm.ts'
import { LEAF } from '../models/trees.ts'
import { type PythonOptions, pythonWithLightgbm } from './python.ts'
import { ProgramError, runProgram } from './run-program.ts'

/** What LightGBM learns from: transactions whose label is known. */
export interface LabelledRows {
  /** Names of the features, in the order of the columns. */
  features: string[]
  /** Rows one after the other, in as many pieces as they came. */
  values: Float64Array[]
  /** For each piece, a byte a row: 1 is fraud, 0 is not. */
  labels: Uint8Array[]
  /** Event times of the first and the last row, milliseconds since 1970 UTC. */
  from: number
  to: number
}

export interface LightgbmOptions extends PythonOptions {
  /** The same seed and rows give the same model, bit for bit. */
  seed: number
  trees?: number
  leaves?: number
  /** Takes how many trees there are so far. */
  onTree?: (trees: number) => void
}

const script = fileURLToPath(new URL('./lightgbm.py', import.meta.url))

/** One thread: sums of doubles depend on how many there are. */
const parametersOf = (seed: number, leaves: number) => ({
  objective: 'binary',
  metric: ['binary_logloss', 'auc', 'average_precision'],
  num_leaves: leaves,
  learning_rate: 0.05,
  min_child_samples: 100,
  lambda_l2: 10,
  seed,
  deterministic: true,
  force_row_wise: true,
  num_threads: 1,
  verbosity: -1,
})

/**
 * Trains gradient-boosted trees by LightGBM, in Python.
 * @throws when there is no usable Python, and when frauds or others are missing among the rows
 */
export async function trainLightgbm(rows: LabelledRows, options: LightgbmOptions): Promise<LightgbmArtifact> {
  const { seed, trees = 100, leaves = 15 } = options
  const count = rows.labels.reduce((n, part) => n + part.length, 0)
  const frauds = rows.labels.reduce((n, part) => n + part.reduce((sum, label) => sum + label, 0), 0)
  if (frauds === 0 || frauds === count) {
    throw new Error(
      `LightGBM learns from frauds and from others: of ${count} transactions whose label is known, ${frauds} are frauds. ` +
        'Take a longer span, or train an isolation forest, which needs no labels: --model isolation-forest',
    )
  }
  const python = await pythonWithLightgbm(options)
  options.say(`Training ${trees} trees on ${count} transactions, ${frauds} of them frauds ...`)
  const { model, metrics, raw_scores } = await runScript(
    python,
    rows,
    trees,
    parametersOf(seed, leaves),
    options,
  )
  const { features, trees: boosted } = fromLightgbm(model)
  assertServedAlike(boosted, rows, raw_scores)
  if (boosted.roots.every((root) => boosted.input[root] === LEAF))
    throw new Error(`LightGBM found nothing to tell frauds by in ${count} transactions: take a longer span`)
  const onTraining = Object.entries(metrics).map(([name, value]) => [`training_${name}`, value])
  return {
    kind: 'lightgbm',
    features,
    trees: packBoosted(boosted),
    trained_from: new Date(rows.from).toISOString(),
    trained_to: new Date(rows.to).toISOString(),
    metrics: {
      transactions: count,
      frauds,
      trees: boosted.roots.length,
      leaves,
      seed,
      ...Object.fromEntries(onTraining),
    },
  }
}

interface Result {
  model: unknown
  metrics: Record<string, number>
  /** LightGBM's own for the first rows. */
  raw_scores: number[]
}

/** Rows of which the scores are compared with LightGBM's own. */
const CHECKED = 1000

/** A model that is scored here in another way than LightGBM does must not come into use. */
function assertServedAlike(
  trees: BoostedTrees,
  { features, values }: LabelledRows,
  expected: number[],
): void {
  const width = features.length
  const reader = new InputReader(trees.inputs, [...features.keys()])
  const x = new Float64Array(trees.inputs.length)
  let row = 0
  for (const part of values) {
    for (let at = 0; at < part.length && row < expected.length; at += width, row++) {
      reader.read(part, at, x)
      const difference = Math.abs(rawScore(trees, x) - expected[row])
      if (!(difference < 1e-9))
        throw new Error(
          `row ${row} is scored otherwise here than by LightGBM, by ${difference}: a bug of Weir`,
        )
    }
  }
}

async function runScript(
  python: string,
  { features, values, labels }: LabelledRows,
  trees: number,
  parameters: ReturnType<typeof parametersOf>,
  { cache, signal, onTree = () => {} }: LightgbmOptions,
): Promise<Result> {
  await mkdir(cache, { recursive: true })
  const work = await mkdtemp(join(cache, 'training-'))
  try {
    const job = {
      matrix: join(work, 'matrix'),
      labels: join(work, 'labels'),
      output: join(work, 'model.json'),
      features,
      trees,
      parameters,
      checked: CHECKED,
    }
    await writeParts(job.matrix, values, signal)
    await writeParts(job.labels, labels, signal)
    await writeFile(join(work, 'job.json'), JSON.stringify(job))
    await runProgram(python, ['-I', script, join(work, 'job.json')], {
      signal,
      onLine: (line) => onTree(Number(line)),
    }).catch((error: Error) => {
      if (!(error instanceof ProgramError)) throw error
      throw new Error(`LightGBM failed (${error.message}):\n${error.output}`, { cause: error })
    })
    return JSON.parse(await readFile(job.output, 'utf8'))
  } finally {
    await rm(work, { recursive: true, force: true })
  }
}

async function writeParts(path: string, parts: NodeJS.ArrayBufferView[], signal: AbortSignal): Promise<void> {
  await using file = await open(path, 'w')
  for (const part of parts) {
    signal.throwIfAborted()
    await file.writeFile(part)
  }
}

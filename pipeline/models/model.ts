import { readFileSync } from 'node:fs'
import { z } from 'zod'
import { F, type Feature } from '../features/features.ts'
import {
  type Artifact,
  artifactSchema,
  type ForestArtifact,
  type LightgbmArtifact,
  unpackBoosted,
  unpackForest,
  versionOf,
} from './artifact.ts'
import { InputReader, isSound as isBoostedSound, rawScore, sigmoid } from './boosted-trees.ts'
import { calibrated } from './calibration.ts'
import { fastRawScore, layOut } from './fast-forest.ts'
import { FOREST_INPUTS, forestInputs } from './inputs.ts'
import { coverOf, isSound } from './isolation-forest.ts'
import { pathContributions } from './path-contributions.ts'
import { treeShap } from './tree-shap.ts'

/** A model as the stream uses it. */
export interface Model {
  version: string
  /** It has learned from labels of transactions up to this event time; undefined for one that reads no labels. */
  learnedUntil?: number
  /** @returns 0..1 for the row of features at `at` */
  score: (features: Float64Array, at: number) => number
  /**
   * Why the row of features at `at` has its score: by how much each input raises or lowers the raw score against its
   * mean over the training transactions: by TreeSHAP for LightGBM, by path contributions for the isolation forest, whose
   * trees are deep. LightGBM's raw score are the log-odds of fraud, the isolation forest's minus
   * the mean path length over c(psi), which is the logarithm to base 2 of the paper's score.
   * @returns what raises it most first; together they are the raw score less its mean. Takes tens of microseconds, a
   *   large LightGBM model's a tenth of a millisecond: for anomalies only
   */
  explain: (features: Float64Array, at: number) => Contribution[]
}

export interface Contribution {
  /** Of the feature, or of the forest's input made from features (inputs.ts). */
  name: string
  /** NaN where it is unknown. */
  value: number
  contribution: number
}

/** @throws when the artifact is damaged or needs features that this version does not compute, with what to do */
export function openModel(stored: unknown): Model {
  const parsed = artifactSchema.safeParse(stored)
  if (!parsed.success)
    throw new Error(`a stored model cannot be read: ${z.prettifyError(parsed.error)}; ${REMEDY}`)
  const artifact = parsed.data
  return artifact.kind === 'lightgbm' ? openLightgbm(artifact) : openForest(artifact)
}

const REMEDY =
  '`npm run models -- list` shows the others: activate one of them, or train anew (`npm run train -- --help`)'

const damaged = (artifact: Artifact): Error =>
  new Error(`the model ${versionOf(artifact)} is damaged: its trees do not hold together; ${REMEDY}`)

function openForest(artifact: ForestArtifact): Model {
  const version = versionOf(artifact)
  if (artifact.features.join() !== FOREST_INPUTS.join()) {
    throw new Error(
      `the model ${version} was trained on [${artifact.features}], this version computes [${FOREST_INPUTS}]; ${REMEDY}`,
    )
  }
  const width = FOREST_INPUTS.length
  const forest = unpackForest(artifact.forest)
  if (!isSound(forest, width)) throw damaged(artifact)
  const cover = coverOf(forest)
  if (cover === null) throw damaged(artifact)
  const fast = layOut(forest, width)
  const { calibration } = artifact
  const inputs = new Float64Array(width)
  const explained = { trees: forest, cover, feature: FOREST_INPUTS.map((_, input) => input) }
  const contributions = pathContributions(explained, width)
  // A longer path is a lower score.
  const scale = -1 / forest.roots.length / forest.normal
  return {
    version,
    score(features, at) {
      forestInputs(features, at, inputs)
      return calibrated(calibration, fastRawScore(fast, inputs))
    },
    explain(features, at) {
      forestInputs(features, at, inputs)
      const shares = contributions((node) => inputs[forest.input[node]] < forest.threshold[node])
      return ordered(FOREST_INPUTS, inputs, shares, scale)
    },
  }
}

function openLightgbm(artifact: LightgbmArtifact): Model {
  const version = versionOf(artifact)
  const { features: names } = artifact
  const unknown = names.filter((name) => !Object.hasOwn(F, name))
  if (unknown.length > 0)
    throw new Error(`the model ${version} needs features that this version lacks: ${unknown}; ${REMEDY}`)
  const trees = unpackBoosted(artifact.trees)
  if (!isBoostedSound(trees, names.length)) throw damaged(artifact)
  const columns = names.map((name) => F[name as Feature])
  const reader = new InputReader(trees.inputs, columns)
  const x = new Float64Array(trees.inputs.length)
  const feature = trees.inputs.map(({ feature }) => feature)
  const shap = treeShap({ trees, cover: trees.cover, feature }, names.length)
  return {
    version,
    learnedUntil: artifact.trained_to === null ? undefined : Date.parse(artifact.trained_to),
    score(features, at) {
      reader.read(features, at, x)
      return sigmoid(rawScore(trees, x))
    },
    explain(features, at) {
      reader.read(features, at, x)
      const goesLeft = (node: number) => x[trees.input[node]] <= trees.threshold[node]
      const values = columns.map((column) => features[at + column])
      return ordered(names, values, shap(goesLeft), 1)
    },
  }
}

const ordered = (
  names: readonly string[],
  values: ArrayLike<number>,
  shares: Float64Array,
  scale: number,
): Contribution[] =>
  names
    .map((name, i) => ({ name, value: values[i], contribution: shares[i] * scale }))
    .sort((a, b) => b.contribution - a.contribution)

/** The model that is shipped: trained on the simulator by `npm run train`. */
export function defaultArtifact(): Artifact {
  return artifactSchema.parse(JSON.parse(readFileSync(new URL('./default.json', import.meta.url), 'utf8')))
}

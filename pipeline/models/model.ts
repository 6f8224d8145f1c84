import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { z } from 'zod'
import { type Calibration, calibrated } from './calibration.ts'
import { fastRawScore, layOut } from './fast-forest.ts'
import { FOREST_INPUTS, forestInputs } from './inputs.ts'
import { type IsolationForest, isSound } from './isolation-forest.ts'

/** A model as the stream uses it. */
export interface Model {
  version: string
  /** @returns 0..1 for the row of features at `at` */
  score: (features: Float64Array, at: number) => number
}

const isAscending = (numbers: number[]): boolean => numbers.every((n, i) => i === 0 || n > numbers[i - 1])

const artifactSchema = z.object({
  kind: z.literal('isolation-forest'),
  features: z.array(z.string()),
  /** The forest's arrays: base64 of little-endian numbers. */
  forest: z.object({
    roots: z.string(),
    input: z.string(),
    threshold: z.string(),
    left: z.string(),
    normal: z.number(),
  }),
  calibration: z
    .object({ raw: z.array(z.number()).min(1), score: z.array(z.number().min(0).max(1)) })
    .refine(({ raw, score }) => raw.length === score.length && isAscending(raw) && isAscending(score)),
  trained_from: z.string().nullable(),
  trained_to: z.string().nullable(),
  metrics: z.record(z.string(), z.number()),
})
/** A model as it is stored: in the table `models` and in the file that is shipped. */
export type Artifact = z.infer<typeof artifactSchema>

/** Equal content, equal version. */
export function versionOf(artifact: Artifact): string {
  const { kind, features, forest, calibration } = artifact
  const digest = createHash('sha256')
    .update(JSON.stringify([kind, features, forest, calibration]))
    .digest('hex')
  return `${kind}-${digest.slice(0, 12)}`
}

/** @throws when the artifact is damaged or was made for other features than this version computes */
export function openModel(stored: unknown): Model {
  const artifact = artifactSchema.parse(stored)
  if (artifact.features.join() !== FOREST_INPUTS.join()) {
    throw new Error(
      `the model was trained on [${artifact.features}], this version computes [${FOREST_INPUTS}]`,
    )
  }
  const forest = unpackForest(artifact.forest)
  if (!isSound(forest, FOREST_INPUTS.length)) throw new Error('the model is damaged: its trees are cut off')
  const fast = layOut(forest, FOREST_INPUTS.length)
  const calibration: Calibration = artifact.calibration
  const inputs = new Float64Array(FOREST_INPUTS.length)
  return {
    version: versionOf(artifact),
    score(features, at) {
      forestInputs(features, at, inputs)
      return calibrated(calibration, fastRawScore(fast, inputs))
    },
  }
}

/** The model that is shipped: trained on the simulator by `npm run train`. */
export function defaultArtifact(): Artifact {
  return artifactSchema.parse(JSON.parse(readFileSync(new URL('./default.json', import.meta.url), 'utf8')))
}

export function packForest(forest: IsolationForest): Artifact['forest'] {
  const base64 = (array: ArrayBufferView) =>
    Buffer.from(array.buffer, array.byteOffset, array.byteLength).toString('base64')
  return {
    roots: base64(forest.roots),
    input: base64(forest.input),
    threshold: base64(forest.threshold),
    left: base64(forest.left),
    normal: forest.normal,
  }
}

function unpackForest(packed: Artifact['forest']): IsolationForest {
  // Copied, since a typed array of 8-byte numbers must start at a multiple of 8. A number that is cut off is dropped.
  const bytes = (text: string, size: number) => {
    const all = Uint8Array.from(Buffer.from(text, 'base64'))
    return all.slice(0, all.length - (all.length % size))
  }
  return {
    roots: new Uint32Array(bytes(packed.roots, 4).buffer),
    input: bytes(packed.input, 1),
    threshold: new Float64Array(bytes(packed.threshold, 8).buffer),
    left: new Uint32Array(bytes(packed.left, 4).buffer),
    normal: packed.normal,
  }
}

import { createHash } from 'node:crypto'
import { z } from 'zod'
import type { BoostedTrees } from './boosted-trees.ts'
import type { IsolationForest } from './isolation-forest.ts'
import { base64, bytes, packedTrees, packTrees, unpackTrees } from './trees.ts'

/** A model as it is stored: in the table `models` and in the file that is shipped. */

const isAscending = (numbers: number[]): boolean => numbers.every((n, i) => i === 0 || n > numbers[i - 1])

/** What is told of every model, and does not change its scores. */
const history = {
  trained_from: z.string().nullable(),
  trained_to: z.string().nullable(),
  metrics: z.record(z.string(), z.number()),
}

const forestSchema = z.object({
  kind: z.literal('isolation-forest'),
  features: z.array(z.string()),
  forest: packedTrees.extend({ normal: z.number() }),
  calibration: z
    .object({ raw: z.array(z.number()).min(1), score: z.array(z.number().min(0).max(1)) })
    .refine(({ raw, score }) => raw.length === score.length && isAscending(raw) && isAscending(score)),
  ...history,
})

const lightgbmSchema = z.object({
  kind: z.literal('lightgbm'),
  features: z.array(z.string()).min(1),
  trees: packedTrees.extend({
    cover: z.string(),
    inputs: z.array(
      z.object({
        feature: z.int().min(0),
        missing: z.enum(['nan', 'zero', 'none']),
        missing_goes_left: z.boolean(),
      }),
    ),
  }),
  ...history,
})

export const artifactSchema = z.discriminatedUnion('kind', [forestSchema, lightgbmSchema])
export type ForestArtifact = z.infer<typeof forestSchema>
export type LightgbmArtifact = z.infer<typeof lightgbmSchema>
export type Artifact = z.infer<typeof artifactSchema>

export const KINDS = ['isolation-forest', 'lightgbm'] as const satisfies Artifact['kind'][]

/** Equal content, equal version. */
export function versionOf(artifact: Artifact): string {
  const { kind, features } = artifact
  const content = artifact.kind === 'lightgbm' ? [artifact.trees] : [artifact.forest, artifact.calibration]
  const digest = createHash('sha256')
    .update(JSON.stringify([kind, features, ...content]))
    .digest('hex')
  return `${kind}-${digest.slice(0, 12)}`
}

export const packForest = (forest: IsolationForest): ForestArtifact['forest'] => ({
  ...packTrees(forest),
  normal: forest.normal,
})

export const unpackForest = (packed: ForestArtifact['forest']): IsolationForest => ({
  ...unpackTrees(packed),
  normal: packed.normal,
})

export const packBoosted = (trees: BoostedTrees): LightgbmArtifact['trees'] => ({
  ...packTrees(trees),
  cover: base64(trees.cover),
  inputs: trees.inputs,
})

export const unpackBoosted = (packed: LightgbmArtifact['trees']): BoostedTrees => ({
  ...unpackTrees(packed),
  cover: new Float64Array(bytes(packed.cover, 8).buffer),
  inputs: packed.inputs,
})

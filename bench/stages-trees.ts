import { F, FEATURE_COUNT, FEATURES } from '../pipeline/features/features.ts'
import { type LightgbmArtifact, packBoosted } from '../pipeline/models/artifact.ts'
import { LEAF } from '../pipeline/models/trees.ts'
import { createRandom, type Random } from '../pipeline/produce/random.ts'

const TREES = 100
const LEAVES = 15
const LEAST_ROWS = 20
const TRIES = 50

/**
 * Boosted trees as large as `npm run train` makes them, without Python: of random splits between the rows of features,
 * the largest leaf first. They tell nothing, and take as long.
 */
export function standInTrees(features: Float64Array, rows: number): LightgbmArtifact {
  const grower = new Grower(features, createRandom(1))
  const roots = Array.from({ length: TREES }, () => grower.grow(rows))
  return {
    kind: 'lightgbm',
    features: [...FEATURES],
    trees: packBoosted({
      roots: Uint32Array.from(roots),
      input: Uint8Array.from(grower.input),
      threshold: Float64Array.from(grower.threshold),
      left: Uint32Array.from(grower.left),
      cover: Float64Array.from(grower.cover),
      inputs: FEATURES.map((name) => ({ feature: F[name], missing: 'nan', missing_goes_left: true })),
    }),
    trained_from: null,
    trained_to: null,
    metrics: {},
  }
}

interface Leaf {
  node: number
  rows: number[]
}

class Grower {
  readonly input: number[] = []
  readonly threshold: number[] = []
  readonly left: number[] = []
  readonly cover: number[] = []
  readonly #features: Float64Array
  readonly #random: Random

  constructor(features: Float64Array, random: Random) {
    this.#features = features
    this.#random = random
  }

  /** @returns the tree's root */
  grow(rows: number): number {
    const root = this.#leaf(Array.from({ length: rows }, (_, row) => row))
    const leaves = [root]
    for (let tries = 0; leaves.length < LEAVES && tries < TRIES; tries++) {
      leaves.sort((a, b) => b.rows.length - a.rows.length)
      const parts = this.#split(leaves[0])
      if (parts !== null) leaves.splice(0, 1, ...parts)
    }
    return root.node
  }

  #leaf(rows: number[]): Leaf {
    const node = this.input.push(LEAF) - 1
    this.threshold.push(this.#random.normal() / 10)
    this.left.push(0)
    this.cover.push(rows.length)
    return { node, rows }
  }

  /** @returns null when a side would have too few rows */
  #split({ node, rows }: Leaf): [Leaf, Leaf] | null {
    const column = this.#random.integer(0, FEATURE_COUNT - 1)
    const read = (row: number) => this.#features[row * FEATURE_COUNT + column]
    const limit = read(this.#random.pick(rows))
    const goesLeft = (row: number) => !(read(row) > limit)
    const low = rows.filter(goesLeft)
    if (!Number.isFinite(limit) || low.length < LEAST_ROWS || rows.length - low.length < LEAST_ROWS)
      return null
    const parts: [Leaf, Leaf] = [this.#leaf(low), this.#leaf(rows.filter((row) => !goesLeft(row)))]
    this.input[node] = column
    this.threshold[node] = limit
    this.left[node] = parts[0].node
    return parts
  }
}

import type { IsolationForest } from '../../pipeline/models/isolation-forest.ts'
import type { Explained } from '../../pipeline/models/tree-shap.ts'
import { createRandom } from '../../pipeline/produce/random.ts'

/** An isolation forest as the paper draws it: nodes that hold nodes. Independent of the arrays' walk. */
export type Tree = { path: number } | { column: number; threshold: number; low: Tree; high: Tree }

export function treesOf({ roots, input, threshold, left }: IsolationForest): Tree[] {
  const tree = (node: number): Tree =>
    input[node] === 255
      ? { path: threshold[node] }
      : { column: input[node], threshold: threshold[node], low: tree(left[node]), high: tree(left[node] + 1) }
  return [...roots].map(tree)
}

export const pathLength = (tree: Tree, x: number[]): number =>
  'path' in tree ? tree.path : pathLength(x[tree.column] < tree.threshold ? tree.low : tree.high, x)

/** Average path length of an unsuccessful search, c(n), with the paper's estimate of a harmonic number. */
export function averagePath(n: number): number {
  const harmonic = (i: number) => (i === 1 ? 1 : Math.log(i) + 0.5772156649)
  return n <= 1 ? 0 : 2 * harmonic(n - 1) - (2 * (n - 1)) / n
}

/** Rows around the origin: `width` normal draws each. */
export function cloud(count: number, width: number, seed: number): number[][] {
  const random = createRandom(seed)
  return Array.from({ length: count }, () => Array.from({ length: width }, () => random.normal()))
}

/** Mean over the training rows of the sum of the leaves that they reach. */
export function expectedValue({ trees, cover }: Pick<Explained, 'trees' | 'cover'>): number {
  const mean = (node: number): number => {
    if (trees.input[node] === 255) return trees.threshold[node]
    const low = trees.left[node]
    return (cover[low] * mean(low) + cover[low + 1] * mean(low + 1)) / (cover[low] + cover[low + 1])
  }
  return trees.roots.reduce((sum, root) => sum + mean(root), 0)
}

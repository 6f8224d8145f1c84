import { LEAF, type Trees } from './trees.ts'

/**
 * How much each feature contributes to the sum of the leaves that a row reaches: SHAP values, path-dependent TreeSHAP
 * (Lundberg, Erion, Lee: Consistent Individualized Feature Attribution for Tree Ensembles, arXiv:1802.03888,
 * algorithm 2; Lundberg et al.: From local explanations to global understanding with explainable AI for trees,
 * Nature Machine Intelligence 2, 2020, doi:10.1038/s42256-019-0138-9), as LightGBM's pred_contrib computes it.
 * Together they are the sum less its mean over the training rows.
 */
export interface Explained {
  trees: Trees
  /** Training rows that reached each node. */
  cover: ArrayLike<number>
  /** Feature of each input: splits on the same feature are explained together. */
  feature: ArrayLike<number>
}

/**
 * The features on the way to a node, each once: EXTEND and UNWIND of the paper. Paths lie one behind the other in flat
 * arrays, a node's behind its parent's: explaining an anomaly must not cost what judging a thousand transactions does.
 */
class Paths {
  readonly feature: Int32Array
  /** Share of the training rows that come this way while the feature is unknown. */
  readonly zero: Float64Array
  /** 1 if the row itself comes this way, else 0. */
  readonly one: Float64Array
  /** Share of the sets of known features, of as many as the place in the path tells, that lead here. */
  readonly weight: Float64Array
  /** 1 / n: a division takes several times as long as a product. */
  readonly inverse: Float64Array

  constructor(height: number) {
    const room = ((height + 2) * (height + 3)) / 2
    this.feature = new Int32Array(room)
    this.zero = new Float64Array(room)
    this.one = new Float64Array(room)
    this.weight = new Float64Array(room)
    this.inverse = Float64Array.from({ length: height + 3 }, (_, n) => 1 / n)
  }

  /** Copies the path of `length` features at `from` behind itself, with one more feature. */
  extend(from: number, length: number, feature: number, zero: number, one: number): void {
    const to = from + length
    const { weight, inverse } = this
    this.feature[to + length] = feature
    this.zero[to + length] = zero
    this.one[to + length] = one
    weight[to + length] = length === 0 ? 1 : 0
    for (let i = length - 1; i >= 0; i--) {
      this.feature[to + i] = this.feature[from + i]
      this.zero[to + i] = this.zero[from + i]
      this.one[to + i] = this.one[from + i]
      const share = weight[from + i] * inverse[length + 1]
      weight[to + i + 1] += one * share * (i + 1)
      weight[to + i] = zero * share * (length - i)
    }
  }

  /** Place of a feature in the path of `length` features at `at`; -1 if it is not there. */
  find(at: number, length: number, feature: number): number {
    for (let i = 1; i < length; i++) if (this.feature[at + i] === feature) return i
    return -1
  }

  /** Takes the feature at `place` out of the path at `at`, as if it had never been on it. */
  unwind(at: number, length: number, place: number): void {
    const { feature, zero, one, weight } = this
    const last = length - 1
    const gone = zero[at + place]
    const taken = one[at + place] !== 0
    let next = weight[at + last]
    for (let i = last - 1; i >= 0; i--) {
      const old = weight[at + i]
      weight[at + i] = taken ? (next * length) / (i + 1) : (old * length) / (gone * (last - i))
      if (taken) next = old - (weight[at + i] * gone * (last - i)) / length
    }
    for (let i = place; i < last; i++) {
      feature[at + i] = feature[at + i + 1]
      zero[at + i] = zero[at + i + 1]
      one[at + i] = one[at + i + 1]
    }
  }

  /** Adds to `out` what each feature of the path at `at` contributes to the leaf's value in which it ends. */
  addLeaf(at: number, length: number, value: number, out: Float64Array): void {
    const { feature, zero, one } = this
    const elsewhere = this.#sumWithoutElsewhere(at, length) * value
    for (let i = 1; i < length; i++) {
      if (one[at + i] === 0) out[feature[at + i]] -= elsewhere
      else
        out[feature[at + i]] += this.#sumWithoutTaken(at, length, zero[at + i]) * (1 - zero[at + i]) * value
    }
  }

  /** The weights, added, of the path without a feature by which the row comes this way. */
  #sumWithoutTaken(at: number, length: number, zero: number): number {
    const { weight, inverse } = this
    const lost = zero * inverse[length]
    let next = weight[at + length - 1]
    let sum = 0
    for (let i = length - 2; i >= 0; i--) {
      const unwound = next * length * inverse[i + 1]
      sum += unwound
      next = weight[at + i] - unwound * lost * (length - 1 - i)
    }
    return sum
  }

  /** The same without one by which it goes elsewhere, times that one's `zero`: alike for all of them. */
  #sumWithoutElsewhere(at: number, length: number): number {
    const { weight, inverse } = this
    let sum = 0
    for (let i = length - 2; i >= 0; i--) sum += weight[at + i] * inverse[length - 1 - i]
    return sum * length
  }
}

/**
 * @param width number of features
 * @returns a function that takes whether a row goes to the left child at a node, and gives each feature's contribution
 */
export function treeShap(
  { trees, cover, feature }: Explained,
  width: number,
): (goesLeft: (node: number) => boolean) => Float64Array {
  const { roots, input, threshold, left } = trees
  const height = (node: number): number =>
    input[node] === LEAF ? 0 : 1 + Math.max(height(left[node]), height(left[node] + 1))
  const paths = new Paths(roots.reduce((most, root) => Math.max(most, height(root)), 0))

  return function contributions(goesLeft) {
    const out = new Float64Array(width)
    for (const root of roots) visit(root, 0, 0, -1, 1, 1)
    return out

    function visit(node: number, above: number, depth: number, by: number, zero: number, one: number): void {
      paths.extend(above, depth, by, zero, one)
      const at = above + depth
      let length = depth + 1
      if (input[node] === LEAF) {
        paths.addLeaf(at, length, threshold[node], out)
        return
      }
      const split = feature[input[node]]
      let zeroBefore = 1
      let oneBefore = 1
      // A feature is on the path once: a split on it again narrows down the share that is there.
      const earlier = paths.find(at, length, split)
      if (earlier !== -1) {
        zeroBefore = paths.zero[at + earlier]
        oneBefore = paths.one[at + earlier]
        paths.unwind(at, length--, earlier)
      }
      const low = left[node]
      const takesLow = goesLeft(node)
      const share = zeroBefore / cover[node]
      visit(low, at, length, split, share * cover[low], takesLow ? oneBefore : 0)
      visit(low + 1, at, length, split, share * cover[low + 1], takesLow ? 0 : oneBefore)
    }
  }
}

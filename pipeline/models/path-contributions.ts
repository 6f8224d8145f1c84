import type { Explained } from './tree-shap.ts'
import { LEAF } from './trees.ts'

/**
 * How much each feature contributes to the sum of the leaves that a row reaches: each split on the row's way by how
 * much it moves the mean leaf of the training rows that come so far (Saabas: Interpreting random forests, 2014;
 * Palczewska et al.: Interpreting random forest classification models using a feature contribution method,
 * arXiv:1312.1121). Together they are the sum less its mean over the training rows, as with TreeSHAP; this looks at the
 * row's own way only, a hundredth of the work, which deep trees need. What two splits do together goes to the later one.
 * @param width number of features
 * @returns a function that takes whether a row goes to the left child at a node, and gives each feature's contribution
 */
export function pathContributions(
  { trees, cover, feature }: Explained,
  width: number,
): (goesLeft: (node: number) => boolean) => Float64Array {
  const { roots, input, threshold, left } = trees
  const mean = new Float64Array(input.length)
  // Children stand behind their parent.
  for (let node = input.length - 1; node >= 0; node--) {
    const [low, high] = [left[node], left[node] + 1]
    mean[node] =
      input[node] === LEAF
        ? threshold[node]
        : (mean[low] * cover[low] + mean[high] * cover[high]) / cover[node]
  }
  return function contributions(goesLeft) {
    const out = new Float64Array(width)
    for (const root of roots) {
      let node = root
      while (input[node] !== LEAF) {
        const next = left[node] + (goesLeft(node) ? 0 : 1)
        out[feature[input[node]]] += mean[next] - mean[node]
        node = next
      }
    }
    return out
  }
}

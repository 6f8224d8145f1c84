import { z } from 'zod'
import type { BoostedInput, BoostedTrees } from './boosted-trees.ts'
import { LEAF } from './trees.ts'

/** What LightGBM's `dump_model` writes, as far as it is served; a model that is anything else is refused. */

interface Leaf {
  leaf_value: number
  leaf_count: number
}
interface Split {
  split_feature: number
  threshold: number
  decision_type: '<='
  default_left: boolean
  missing_type: 'None' | 'Zero' | 'NaN'
  left_child: Node
  right_child: Node
}
type Node = Leaf | Split

const node: z.ZodType<Node> = z.lazy(() => z.union([leaf, split]))
const leaf = z.object({ leaf_value: z.number(), leaf_count: z.int().min(1) })
const split = z.object({
  split_feature: z.int().min(0),
  threshold: z.number(),
  decision_type: z.literal('<='),
  default_left: z.boolean(),
  missing_type: z.enum(['None', 'Zero', 'NaN']),
  left_child: node,
  right_child: node,
})

const dumpSchema = z.object({
  objective: z.literal('binary sigmoid:1'),
  num_tree_per_iteration: z.literal(1),
  average_output: z.literal(false),
  feature_names: z.array(z.string()).min(1),
  tree_info: z.array(z.object({ tree_structure: node })).min(1),
})

/**
 * Lays LightGBM's trees out in flat arrays.
 * @returns the trees, and the names of the features in the order that the trees' inputs count in
 * @throws when it is no model of numerical features that tells a probability
 */
export function fromLightgbm(dump: unknown): { features: string[]; trees: BoostedTrees } {
  const parsed = dumpSchema.safeParse(dump)
  if (!parsed.success)
    throw new Error(`this is no model of LightGBM that can be served: ${z.prettifyError(parsed.error)}`)
  const builder = new Builder()
  const roots = parsed.data.tree_info.map(({ tree_structure }) => builder.add(tree_structure))
  return { features: parsed.data.feature_names, trees: builder.trees(roots) }
}

class Builder {
  readonly #input: number[] = []
  readonly #threshold: number[] = []
  readonly #left: number[] = []
  readonly #cover: number[] = []
  readonly #inputs: BoostedInput[] = []

  add(tree: Node): number {
    const root = this.#reserve()
    this.#fill(root, tree)
    return root
  }

  trees(roots: number[]): BoostedTrees {
    return {
      roots: Uint32Array.from(roots),
      input: Uint8Array.from(this.#input),
      threshold: Float64Array.from(this.#threshold),
      left: Uint32Array.from(this.#left),
      cover: Float64Array.from(this.#cover),
      inputs: this.#inputs,
    }
  }

  #reserve(): number {
    this.#threshold.push(0)
    this.#left.push(0)
    this.#cover.push(0)
    return this.#input.push(LEAF) - 1
  }

  #fill(at: number, node: Node): void {
    if ('leaf_value' in node) {
      this.#threshold[at] = node.leaf_value
      this.#cover[at] = node.leaf_count
      return
    }
    const left = this.#reserve()
    this.#reserve()
    this.#input[at] = this.#inputOf(node)
    this.#threshold[at] = node.threshold
    this.#left[at] = left
    this.#fill(left, node.left_child)
    this.#fill(left + 1, node.right_child)
    this.#cover[at] = this.#cover[left] + this.#cover[left + 1]
  }

  #inputOf({ split_feature, missing_type, default_left }: Split): number {
    const wanted: BoostedInput = {
      feature: split_feature,
      missing: missing_type === 'NaN' ? 'nan' : missing_type === 'Zero' ? 'zero' : 'none',
      // Nothing is missing: one input for both sides.
      missing_goes_left: missing_type !== 'None' && default_left,
    }
    const known = this.#inputs.findIndex(
      ({ feature, missing, missing_goes_left }) =>
        feature === wanted.feature &&
        missing === wanted.missing &&
        missing_goes_left === wanted.missing_goes_left,
    )
    if (known !== -1) return known
    if (this.#inputs.length === LEAF) throw new Error(`a model may have ${LEAF} kinds of inputs at most`)
    return this.#inputs.push(wanted) - 1
  }
}

import { FEATURE_COUNT } from '../../pipeline/features/features.ts'
import type { Model } from '../../pipeline/models/model.ts'
import { loadRules } from '../../pipeline/rules/rules.ts'
import { score } from '../../pipeline/stages/score.ts'

export const rules = loadRules()
export const THRESHOLD = 0.7

const bits = new Uint32Array(2)
const double = new Float64Array(bits.buffer)

/** A model whose score depends on every bit of every feature: a state that is wrong anywhere shows in it. */
export const sensitiveModel: Model = {
  version: 'sensitive',
  score(features, at) {
    let hash = 0x811c9dc5
    for (let i = at; i < at + FEATURE_COUNT; i++) {
      double[0] = Number.isNaN(features[i]) ? -1 : features[i]
      hash = Math.imul(hash ^ bits[0], 0x01000193)
      hash = Math.imul(hash ^ (hash >>> 15) ^ bits[1], 0x01000193)
    }
    return ((hash ^ (hash >>> 13)) >>> 0) / 2 ** 32
  },
  explain: () => [],
}

export const scoreBatch = score(rules, sensitiveModel, THRESHOLD)

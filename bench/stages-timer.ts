import { type Batch, createBatch, type Ownership } from '../pipeline/batch.ts'
import { Writers } from '../pipeline/decode/writers.ts'
import { FEATURE_COUNT } from '../pipeline/features/features.ts'
import { defaultArtifact, type Model, openModel } from '../pipeline/models/model.ts'
import { createRowContext } from '../pipeline/rules/row-context.ts'
import { loadRules, type Rules } from '../pipeline/rules/rules.ts'
import { decode } from '../pipeline/stages/decode.ts'
import { computeFeatures } from '../pipeline/stages/features.ts'
import { explain } from '../pipeline/stages/reasons.ts'
import { score } from '../pipeline/stages/score.ts'
import { CopyEncoder } from '../pipeline/store/copy-encoder.ts'
import { createLogger } from '../schemas/log.ts'
import type { Settings } from '../schemas/settings.ts'
import { type Transaction, transactionType } from '../schemas/transaction.ts'
import { frame } from '../schemas/wire.ts'
import type { Sample } from './stages-report.ts'
import { standInTrees } from './stages-trees.ts'

const SCHEMA_ID = 1
/** Rows that the stand-in for LightGBM's trees is grown on. */
const GROWN_ON = 2000
/** Explained in a batch, at most. */
const MOST_EXPLAINED = 100
/** Beyond every score: no anomalies. */
const NEVER = 2
const SILENT: Model = { version: 'none', score: () => 0, explain: () => [] }

/** Runs batches through the stages, one after another, each timed by itself: processor time of the process. */
export class StageTimer {
  readonly samples: Sample[] = []
  readonly #owner: Ownership
  readonly #rules: Rules
  readonly #forest = openModel(defaultArtifact())
  #boosted: Model | null = null
  readonly #decode: ReturnType<typeof decode>
  readonly #onlyRules: ReturnType<typeof score>
  readonly #score: ReturnType<typeof score>
  readonly #encoder: CopyEncoder
  readonly #context = createRowContext()
  readonly #limit: number

  private constructor(owner: Ownership, settings: Settings, writers: Writers) {
    this.#owner = owner
    // One of one: so that the partition of each account is looked at, as in a real topic.
    owner.partitions = 1
    this.#rules = loadRules(settings.RULES_FILE)
    this.#decode = decode(writers)
    this.#onlyRules = score(this.#rules, SILENT, NEVER)
    this.#score = score(this.#rules, this.#forest, settings.ANOMALY_THRESHOLD)
    this.#encoder = new CopyEncoder(this.#rules.version, this.#forest.version)
    this.#limit = Math.fround(settings.ANOMALY_THRESHOLD)
  }

  static async create(owner: Ownership, settings: Settings): Promise<StageTimer> {
    const registry = { getSchema: async () => transactionType as never }
    const writers = new Writers(registry, createLogger('bench', 'silent'), new AbortController().signal)
    await writers.load([SCHEMA_ID])
    return new StageTimer(owner, settings, writers)
  }

  async measure(transactions: Transaction[]): Promise<void> {
    const rows = transactions.length
    const batch = createBatch(this.#owner, 0, rows, transactions.map(toRecord))
    const decode_us = timed(() => this.#decode(batch)) / rows
    if (batch.transactions.length !== rows)
      throw new Error(`${rows - batch.transactions.length} of ${rows} records were not decoded`)
    const features_us = timed(() => this.#features(batch)) / rows
    this.#boosted ??= openModel(standInTrees(batch.features, Math.min(GROWN_ON, rows)))
    const rules_us = timed(() => this.#onlyRules(batch)) / rows
    const isolation_forest_us = timed(() => scoreAll(this.#forest, batch)) / rows
    const boosted_trees_us = timed(() => scoreAll(this.#boosted as Model, batch)) / rows
    this.#score(batch)
    const explained = [...batch.anomalies.keys()].slice(0, MOST_EXPLAINED)
    const explanation = (model: Model) =>
      explained.length === 0 ? null : timed(() => this.#explain(model, batch, explained)) / explained.length
    this.samples.push({
      decode_us,
      features_us,
      rules_us,
      isolation_forest_us,
      boosted_trees_us,
      explain_isolation_forest_us: explanation(this.#forest),
      explain_boosted_trees_us: explanation(this.#boosted),
      encode_us: timed(() => this.#encoder.encode([batch])) / rows,
      anomalies: batch.anomalies.size,
    })
  }

  /** With the commit, in which the old blocks are freed. */
  #features(batch: Batch): void {
    computeFeatures(batch)
    commitOldest(this.#owner)
  }

  /** As the stage explains anomalies, each as if the model had found it. */
  #explain(model: Model, batch: Batch, rows: number[]): void {
    for (const row of rows) {
      const at = row * FEATURE_COUNT
      const context = this.#context
      context.show(batch.transactions[row], batch.features, at)
      context.base_currency = batch.owner.states.baseCurrency
      context.home = batch.owner.states.locationName(batch.homes[row])
      const contributions = () => model.explain(batch.features, at)
      explain({ context, rules: this.#rules.rules, modelScore: 1, contributions, limit: this.#limit })
    }
  }
}

function scoreAll(model: Model, { features, transactions }: Batch): number {
  let sum = 0
  for (let row = 0; row < transactions.length; row++) sum += model.score(features, row * FEATURE_COUNT)
  return sum
}

const toRecord = (tx: Transaction, offset: number) => ({
  offset,
  timestamp: tx.timestamp,
  key: null,
  value: frame(SCHEMA_ID, transactionType, tx),
  headers: undefined,
})

/** As the store stage does it once a batch is stored. */
export function commitOldest({ judged, states }: Ownership): void {
  const undo = judged.shift()?.undo
  if (undo) states.commit(undo)
}

/** Processor time that it takes, microseconds. */
function timed(run: () => unknown): number {
  const before = process.cpuUsage()
  run()
  const { user, system } = process.cpuUsage(before)
  return user + system
}

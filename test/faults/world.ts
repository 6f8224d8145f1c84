import { setTimeout as sleep } from 'node:timers/promises'
import type { PipelineSettings } from '../../pipeline/main.ts'
import { testSettings, until } from '../harness.ts'
import { type PipelineProcess, type ProcessOptions, pipelineProcess } from '../support/pipeline-process.ts'
import { anotherRun, runToEnd, untilCheckpointed, untilProcessed } from '../support/pipelines.ts'
import { differingStates, stateDigests } from '../support/state-digest.ts'
import { ALL_FEATURES, differingDecisions, positions } from '../support/tables.ts'
import { endOffsets, readTopic, type StoredMessage } from '../support/topics.ts'
import { settle } from './account.ts'
import { watchPositions } from './position-watch.ts'
import type { Ctx, Figures } from './scenario.ts'
import { Sender } from './sender.ts'
import { disturbed, type Piece, type TrafficOptions } from './traffic.ts'

type Env = NonNullable<Parameters<typeof testSettings>[1]>

export interface WorldOptions {
  /** Settings over those of {@link DEFAULTS}. */
  env?: Env
  /** Records a second. */
  rate?: number
  traffic?: Partial<TrafficOptions> | Iterator<Piece>
  /** Whether every position must be the number of records behind it; not where a topic is read twice. */
  watch?: boolean
  /** Brokers that the sender is told, instead of the real one. */
  sendVia?: string[]
  /** Makes a quiet run's database what the scenario's own is. */
  prepareQuiet?: (url: string) => Promise<unknown>
}

export interface ConcludeOptions {
  /** `none` where no quiet run can read the topic any more. */
  quiet?: 'none'
}

/** Small batches: many of them, so that a fault meets one in every state. Every row's features are kept and compared. */
const DEFAULTS: Env = {
  TOPIC_PARTITIONS: '3',
  BATCH_MAX_RECORDS: '50',
  COMMIT_MAX_RECORDS: '200',
  QUEUE_BATCHES: '4',
  CHECKPOINT_SECONDS: '1',
  KAFKA_SESSION_TIMEOUT_MS: '6000',
  ...ALL_FEATURES,
}

/** What lag 0 may take once everything is well again, and the rate at which even a busy machine works off a backlog. */
const HEALING_SECONDS = 30
const SLOWEST_RATE = 1500

/** A scenario's own topics, database, sender and pipeline processes, and what is checked at its end. */
export class World {
  readonly settings: PipelineSettings
  readonly sender: Sender
  /** The dead letters, once concluded. */
  letters: StoredMessage[] = []
  readonly #ctx: Ctx
  readonly #watch: ReturnType<typeof watchPositions> | null
  readonly #prepareQuiet: WorldOptions['prepareQuiet']
  readonly #running = new Set<PipelineProcess>()

  static async open(ctx: Ctx, options: WorldOptions = {}): Promise<World> {
    const settings = await testSettings(ctx, { ...DEFAULTS, ...options.env })
    return new World(ctx, settings, options)
  }

  private constructor(ctx: Ctx, settings: PipelineSettings, options: WorldOptions) {
    const { rate = 1000, traffic = {}, watch = true } = options
    const seed = 1 + Math.floor(ctx.random() * 1e6)
    this.#ctx = ctx
    this.#prepareQuiet = options.prepareQuiet
    this.settings = settings
    const sending = { ...settings, KAFKA_BROKERS: options.sendVia ?? settings.KAFKA_BROKERS }
    this.sender = new Sender(sending, isOwn(traffic) ? traffic : disturbed({ ...traffic, seed }), rate)
    const { DATABASE_URL, TRANSACTIONS_TOPIC } = settings
    this.#watch = watch ? watchPositions(ctx, DATABASE_URL, TRANSACTIONS_TOPIC) : null
    ctx.after(() => this.sender.stop().catch(() => {}))
  }

  /** Starts `npm run pipeline` as a process. */
  start(changes: Partial<PipelineSettings> = {}, options: ProcessOptions = {}): PipelineProcess {
    const process = pipelineProcess(
      this.#ctx,
      { ...this.settings, ...changes },
      { cwd: this.#ctx.tree, ...options },
    )
    this.#running.add(process)
    return process
  }

  /** kill -9, and waits until it is gone. */
  async kill(process: PipelineProcess): Promise<void> {
    process.signal('SIGKILL')
    await this.gone(process)
  }

  /** Waits for the end of one that ends by itself. */
  async gone(process: PipelineProcess): Promise<number | NodeJS.Signals> {
    this.#running.delete(process)
    return process.ended()
  }

  /** SIGTERM: it must end with 0 within ten seconds. */
  async terminate(process: PipelineProcess): Promise<number> {
    const began = performance.now()
    process.signal('SIGTERM')
    const code = await this.gone(process)
    const seconds = (performance.now() - began) / 1000
    // One that has not begun yet has no handler for the signal, and nothing to finish.
    const hadNotBegun = code === 'SIGTERM' && process.errors === ''
    this.#ctx.hold(
      'X',
      code === 0 || hadNotBegun,
      `SIGTERM ended with ${code}: ${process.errors.slice(-300)}`,
    )
    this.#ctx.hold('X', seconds < 10.5, `SIGTERM took ${seconds.toFixed(1)} s`)
    return seconds
  }

  /** Records that are processed. */
  async progress(): Promise<number> {
    const rows = await positions(this.settings.DATABASE_URL, this.settings.TRANSACTIONS_TOPIC)
    return rows.reduce((sum, row) => sum + row.next_offset, 0)
  }

  /** Waits until more is processed than now. */
  async untilProgress(what: string, seconds = 40): Promise<number> {
    const began = performance.now()
    const before = await until(async () => (await this.progress()) + 1, { seconds, what: 'the database' })
    await until(async () => (await this.progress()) >= before, { seconds, what }).catch(async (cause) => {
      throw new Error(`${(cause as Error).message}; ${await this.#standing()}`, { cause })
    })
    return (performance.now() - began) / 1000
  }

  /** The records that wait, as the broker and the database tell. */
  async lag(): Promise<number> {
    const ends = await endOffsets(this.settings)
    return ends.reduce((sum, end) => sum + end, 0) - (await this.progress())
  }

  /** Stops the traffic, waits for lag 0 (P), ends the processes (SIGTERM), and checks L, O, S and D. */
  async conclude({ quiet }: ConcludeOptions = {}): Promise<void> {
    const ctx = this.#ctx
    const { settings } = this
    await this.sender.stop()
    const began = performance.now()
    try {
      const seconds = HEALING_SECONDS + (await this.lag()) / SLOWEST_RATE
      await untilProcessed(settings, { seconds })
      ctx.note(`lag 0 after ${((performance.now() - began) / 1000).toFixed(1)} s`)
      // Not long: one a second is written. What a process had in memory at the end is looked at in there.
      if (this.#running.size > 0) await untilCheckpointed(settings)
    } catch (error) {
      ctx.hold('P', false, `${(error as Error).message}; ${await this.#standing()}`)
    }
    for (const process of this.#running) await this.terminate(process)
    await this.#watch?.stop()
    ctx.add(await this.#check(quiet))
  }

  /** L, S and D for what is stored now. */
  async #check(quiet: ConcludeOptions['quiet']): Promise<Figures> {
    const ctx = this.#ctx
    const { settings } = this
    // Now: the quiet run writes dead letters, too.
    this.letters = await readTopic(settings, settings.DEAD_LETTER_TOPIC)
    const { lostIds, unexpectedIds, ...account } = await settle(
      this.sender.sent,
      this.letters,
      settings.DATABASE_URL,
    )
    ctx.hold('L', account.lost === 0, `${account.lost} lost, e.g. ${lostIds}`)
    ctx.hold('L', account.duplicated === 0, `${account.duplicated} duplicated`)
    ctx.hold('L', account.unexpected === 0, `${account.unexpected} unexpected, e.g. ${unexpectedIds}`)
    const states = await stateDigests(settings, 'checkpoint')
    this.#holdStates(states, await stateDigests(settings, 'table'), 'the rows say')
    if (quiet === 'none') return { ...account, differing_scores: 0 }
    const undisturbed = await anotherRun(ctx, settings, { BATCH_MAX_RECORDS: 10_000, LANES: 3 })
    await this.#prepareQuiet?.(undisturbed.DATABASE_URL)
    await runToEnd(undisturbed, 120)
    const differing = await differingDecisions(settings.DATABASE_URL, undisturbed.DATABASE_URL)
    ctx.hold('S', differing.length === 0, `${differing.length} decisions differ, e.g. ${differing[0]}`)
    this.#holdStates(states, await stateDigests(undisturbed, 'table'), 'a quiet run has')
    return { ...account, differing_scores: differing.length }
  }

  /** D: the state of each account. */
  #holdStates(states: Map<string, string>, others: Map<string, string>, whatElse: string): void {
    const differing = differingStates(states, others)
    const breach = `the states of ${differing.length} of ${states.size} accounts are not what ${whatElse}, e.g. `
    this.#ctx.hold('D', differing.length === 0, breach + differing[0])
  }

  /** Where the positions stand, and what the processes said last. */
  async #standing(): Promise<string> {
    const rows = await positions(this.settings.DATABASE_URL, this.settings.TRANSACTIONS_TOPIC)
    const ends = await endOffsets(this.settings)
    const logs = [...this.#running].map((process) => process.errors.slice(-300)).join('\n')
    return `at ${rows.map((row) => row.next_offset)} of ${ends}; ${logs}`
  }
}

const isOwn = (traffic: object): traffic is Iterator<Piece> => 'next' in traffic

/** Waits a random time. */
export const sleepUpTo = (ctx: Ctx, ms: number): Promise<void> => sleep(ctx.random() * ms)

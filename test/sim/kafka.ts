import type { Kafka } from 'kafkajs'
import type { Entry } from './records.ts'
import { TOPIC } from './records.ts'
import type { Host } from './scheduler.ts'
import type { World } from './world.ts'

type Listener = (event: { payload: Record<string, unknown> }) => void
type EachBatch = (payload: Record<string, unknown>) => Promise<void>
interface Seek {
  partition: number
  offset: string
}

/** How long a fetch waits when there is nothing. */
const IDLE_MS = 40
const EVENTS = { GROUP_JOIN: 'group_join', CRASH: 'crash', START_BATCH_PROCESS: 'start_batch_process' }

/** The topic and its one group, with a coordinator that deals the partitions out by chance. */
export class SimKafka {
  /** How many entries of each partition are there already. */
  readonly ends: number[]
  readonly committed = new Map<number, number>()
  readonly members = new Set<Member>()
  readonly topic: Entry[][]
  readonly #world: World
  #assignment = new Map<Member, number[]>()

  constructor(world: World, topic: Entry[][]) {
    this.#world = world
    this.topic = topic
    this.ends = topic.map(() => 0)
  }

  /** Deals out anew; each member learns of it when it asks. */
  rebalance(): void {
    const members = [...this.members]
    this.#assignment = new Map(members.map((member) => [member, []]))
    if (members.length > 0)
      for (let p = 0; p < this.topic.length; p++)
        this.#assignment.get(this.#world.scheduler.random.pick(members))!.push(p)
    for (const member of members) member.isTold()
  }

  assigned(member: Member): number[] {
    return this.#assignment.get(member) ?? []
  }

  /** A client of this Kafka for one process: what KafkaSource uses of kafkajs. */
  client(): Kafka {
    const member = new Member(this.#world, this)
    const offsets = () =>
      this.#world.outsideCall('fetchTopicOffsets', () =>
        this.ends.map((end, partition) => ({ partition, offset: `${end}`, low: '0', high: `${end}` })),
      )
    const admin = { connect: async () => {}, disconnect: async () => {}, fetchTopicOffsets: offsets }
    return { admin: () => admin, consumer: () => member } as unknown as Kafka
  }
}

class Rebalancing extends Error {}

/** A consumer that behaves as kafkajs does where it matters: see consumerGroup.js and runner.js of 2.2.4. */
export class Member {
  readonly events = EVENTS
  /** When it will have heard that it must join anew. */
  #joinsAt = Number.POSITIVE_INFINITY
  readonly host: Host | null
  readonly #world: World
  readonly #kafka: SimKafka
  readonly #listeners = new Map<string, Listener[]>()
  readonly #paused = new Set<number>()
  readonly #seeks = new Map<number, number>()
  #resolved = new Map<number, number>()
  #partitions: number[] = []
  #running = false
  #ended: Promise<void> = Promise.resolve()

  constructor(world: World, kafka: SimKafka) {
    this.#world = world
    this.#kafka = kafka
    this.host = world.scheduler.current
  }

  /** The group was dealt out anew: a member hears of it at a heartbeat, and goes on with what it had until then. */
  isTold(): void {
    const { scheduler } = this.#world
    this.#joinsAt = Math.min(this.#joinsAt, scheduler.now + scheduler.random.exponential(100))
  }

  /** As after OFFSET_OUT_OF_RANGE (kafkajs#1119): it goes on elsewhere, and says nothing. */
  jump(): void {
    const { random } = this.#world.scheduler
    if (this.#partitions.length === 0) return
    const partition = random.pick(this.#partitions)
    this.#resolved.set(partition, random.integer(0, this.#kafka.ends[partition]))
  }

  get #mustJoin(): boolean {
    return this.#world.scheduler.now >= this.#joinsAt
  }

  on(event: string, listener: Listener): void {
    this.#listeners.set(event, [...(this.#listeners.get(event) ?? []), listener])
  }

  async connect(): Promise<void> {}
  async subscribe(): Promise<void> {}

  async run({ eachBatch }: { eachBatch: EachBatch }): Promise<void> {
    this.#running = true
    this.#kafka.members.add(this)
    this.#kafka.rebalance()
    this.#ended = this.#loop(eachBatch)
  }

  async disconnect(): Promise<void> {
    this.#running = false
    await this.#ended
    if (this.#kafka.members.delete(this)) this.#kafka.rebalance()
  }

  pause([{ partitions }]: [{ partitions: number[] }]): void {
    for (const partition of partitions) this.#paused.add(partition)
  }

  resume([{ partitions }]: [{ partitions: number[] }]): void {
    for (const partition of partitions) this.#paused.delete(partition)
  }

  seek({ partition, offset }: Seek): void {
    this.#seeks.set(partition, Number(offset))
  }

  async commitOffsets([{ partition, offset }]: [Seek]): Promise<void> {
    await this.#world.pause('commitOffsets')
    this.#kafka.committed.set(partition, Number(offset))
  }

  #emit(event: string, payload: Record<string, unknown>): void {
    for (const listener of this.#listeners.get(event) ?? []) listener({ payload })
  }

  async #loop(eachBatch: EachBatch): Promise<void> {
    while (this.#running) {
      if (this.#mustJoin) await this.#join()
      for (const batch of await this.#fetch()) {
        if (!this.#running || this.#mustJoin) break
        try {
          await this.#handle(batch, eachBatch)
        } catch (error) {
          if (!(error instanceof Rebalancing)) await this.#crash(error as Error)
        }
      }
    }
  }

  /** Whatever a batch's handler throws makes kafkajs leave, and join anew. */
  async #crash(error: Error): Promise<void> {
    this.#world.scheduler.note(`the consumer crashes: ${error.message}`)
    this.#emit(EVENTS.CRASH, { error, restart: true })
    if (this.#kafka.members.delete(this)) this.#kafka.rebalance()
    await this.#world.pause('restart', 300)
    this.#joinsAt = this.#world.scheduler.now
  }

  /** kafkajs forgets where it was on each join, and goes on from the group's own offsets. */
  async #join(): Promise<void> {
    await this.#world.pause('join')
    if (!this.#kafka.members.has(this)) {
      this.#kafka.members.add(this)
      this.#kafka.rebalance()
    }
    this.#joinsAt = Number.POSITIVE_INFINITY
    this.#partitions = [...this.#kafka.assigned(this)]
    this.#resolved = new Map(this.#partitions.map((p) => [p, this.#kafka.committed.get(p) ?? 0]))
    this.#world.scheduler.note(`joined with ${this.#partitions}`)
    this.#emit(EVENTS.GROUP_JOIN, { memberAssignment: { [TOPIC]: this.#partitions } })
  }

  async #fetch(): Promise<FetchedBatch[]> {
    const { random } = this.#world.scheduler
    for (const [partition, offset] of this.#seeks)
      if (this.#partitions.includes(partition)) this.#resolved.set(partition, offset)
    this.#seeks.clear()
    const requests = this.#partitions
      .filter((partition) => !this.#paused.has(partition))
      .map((partition) => ({ partition, from: this.#resolved.get(partition)! }))
    const hasMore = requests.some(({ partition, from }) => from < this.#kafka.ends[partition])
    await this.#world.pause('fetch', hasMore ? 0 : IDLE_MS)
    return requests
      .filter(({ partition }) => !this.#seeks.has(partition) && !this.#paused.has(partition))
      .map(({ partition, from }) => {
        const end = Math.min(this.#kafka.ends[partition], from + random.integer(1, 12))
        const entries = this.#kafka.topic[partition].slice(from, Math.max(from, end))
        return { partition, from, entries, high: this.#kafka.ends[partition] }
      })
  }

  async #handle({ partition, from, entries, high }: FetchedBatch, eachBatch: EachBatch): Promise<void> {
    if (entries.length === 0) return this.#heartbeat()
    const messages = entries
      .filter((entry) => !entry.isControl)
      .map(({ offset, timestamp, key, value }) => ({ offset, timestamp, key, value, headers: {} }))
    const last = entries[entries.length - 1].offset
    this.#emit(EVENTS.START_BATCH_PROCESS, {
      partition,
      batchSize: messages.length,
      firstOffset: `${entries[0].offset}`,
      lastOffset: `${last}`,
    })
    const resolve = (offset: number) => this.#resolved.set(partition, offset + 1)
    if (messages.length === 0) resolve(last)
    else {
      const lastMessage = messages[messages.length - 1].offset
      await eachBatch({
        batch: {
          topic: TOPIC,
          partition,
          fetchedOffset: `${from}`,
          highWatermark: `${high}`,
          messages,
          lastOffset: () => `${last}`,
        },
        resolveOffset: (offset: string) => resolve(Number(offset) === lastMessage ? last : Number(offset)),
        heartbeat: () => this.#heartbeat(),
        isRunning: () => this.#running,
        isStale: () => this.#seeks.has(partition),
      })
    }
    await this.#heartbeat()
  }

  async #heartbeat(): Promise<void> {
    await this.#world.pause('heartbeat')
    if (this.#mustJoin) throw new Rebalancing()
  }
}

interface FetchedBatch {
  partition: number
  from: number
  entries: Entry[]
  high: number
}

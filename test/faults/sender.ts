import { setTimeout as sleep } from 'node:timers/promises'
import type { Message, Producer } from 'kafkajs'
import { keyPartitioner } from '../../pipeline/produce/partitioner.ts'
import { createKafka } from '../../schemas/kafka.ts'
import { encoder, type KafkaSettings, quiet } from '../support/topics.ts'
import type { Piece } from './traffic.ts'

/** What a sender knows of each transaction it tried to send, by id. */
export class Sent {
  readonly attempted = new Set<string>()
  readonly acknowledged = new Set<string>()
  /** Those that may be dead letters, and must not be rows. */
  readonly invalid = new Set<string>()
  /** Those of which another content was sent, too: they may be dead letters, and must be rows. */
  readonly contested = new Set<string>()
  /** Acknowledged records that were sent before. */
  again = 0
}

/** The header that names a record's transaction in the dead-letter topic, whatever its value has become. */
export const ID_HEADER = 'ledger-id'

const LONGEST_SEND_MS = 10_000
const PIECES_PER_SECOND = 25

/**
 * Sends traffic at a rate and keeps the ledger. It tries each piece once: when Kafka gives no answer, what became of
 * the piece is unknown, as it would be to a producer that dies.
 */
export class Sender {
  readonly sent = new Sent()
  readonly #settings: KafkaSettings
  readonly #traffic: Iterator<Piece>
  readonly #rate: number
  readonly #stopped = new AbortController()
  #running: Promise<void> | null = null

  /** @param rate records a second */
  constructor(settings: KafkaSettings, traffic: Iterator<Piece>, rate: number) {
    this.#settings = settings
    this.#traffic = traffic
    this.#rate = rate
  }

  start(): void {
    this.#running = this.#run()
    this.#running.catch(() => {}) // whoever stops it sees the error
  }

  async stop(): Promise<void> {
    this.#stopped.abort()
    await this.#running
  }

  /** Sends a number of records at once, as fast as it goes. */
  async send(count: number): Promise<void> {
    const encode = await encoder(this.#settings)
    const producer = await this.#connect(10)
    for (let left = count; left > 0; left -= 1000) {
      const pieces = this.#take(Math.min(left, 1000))
      await this.#sendPieces(producer, pieces, encode)
    }
    await producer.disconnect()
  }

  /** Sends records as they are. */
  async sendPieces(pieces: Piece[]): Promise<void> {
    const producer = await this.#connect(10)
    await this.#sendPieces(producer, pieces, await encoder(this.#settings))
    await producer.disconnect()
  }

  async #run(): Promise<void> {
    const encode = await encoder(this.#settings)
    let producer = await this.#connect()
    let due = performance.now()
    while (!this.#stopped.signal.aborted) {
      due += 1000 / PIECES_PER_SECOND
      try {
        await this.#sendPieces(producer, this.#take(Math.ceil(this.#rate / PIECES_PER_SECOND)), encode)
      } catch {
        // A broker that is away is not asked at full rate, or nearly all of the traffic would be unknown.
        await producer.disconnect().catch(() => {})
        producer = await this.#connectAgain()
        due = performance.now()
      }
      const wait = due - performance.now()
      if (wait > 0) await sleep(wait)
      else if (wait < -2000) due = performance.now()
    }
    await producer.disconnect().catch(() => {})
  }

  #take(count: number): Piece[] {
    return Array.from({ length: count }, () => this.#traffic.next().value)
  }

  async #sendPieces(
    producer: Producer,
    pieces: Piece[],
    encode: Awaited<ReturnType<typeof encoder>>,
  ): Promise<void> {
    const { attempted, acknowledged, invalid, contested } = this.sent
    for (const { id, kind } of pieces) {
      attempted.add(id)
      if (kind === 'invalid') invalid.add(id)
      if (kind === 'conflict') contested.add(id)
    }
    const messages: Message[] = pieces.map((piece) => ({
      ...('value' in piece
        ? { key: piece.key, value: piece.value, timestamp: piece.timestamp }
        : encode(piece.transaction)),
      headers: { [ID_HEADER]: piece.id },
    }))
    const sending = producer.send({
      topic: this.#settings.TRANSACTIONS_TOPIC,
      messages,
      acks: -1,
      timeout: 5000,
    })
    await Promise.race([sending, tooLate()])
    for (const { id } of pieces) acknowledged.add(id)
    this.sent.again += pieces.filter(({ kind }) => kind === 'again').length
  }

  /** @param retries for what is sent before or after a fault: no try must be wasted on a topic that is new */
  async #connect(retries = 0): Promise<Producer> {
    const kafka = createKafka(this.#settings, 'weir-faults', quiet)
    const producer = kafka.producer({
      createPartitioner: keyPartitioner,
      allowAutoTopicCreation: false,
      retry: { retries },
    })
    await producer.connect()
    return producer
  }

  async #connectAgain(): Promise<Producer> {
    for (;;) {
      try {
        return await this.#connect()
      } catch (error) {
        if (this.#stopped.signal.aborted) throw error
        await sleep(300)
      }
    }
  }
}

/** kafkajs has hangs that end in no error (tulios/kafkajs#659, #660, #1163): whether it was stored is then unknown. */
async function tooLate(): Promise<never> {
  await sleep(LONGEST_SEND_MS, undefined, { ref: false })
  throw new Error('no acknowledgement came')
}

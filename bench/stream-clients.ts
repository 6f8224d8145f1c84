import { once } from 'node:events'
import { Agent, get, type IncomingMessage } from 'node:http'
import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { PARTITIONS } from './stream-writer.ts'

export interface Target {
  /** Of the API. */
  url: URL
  key: string
  signal: AbortSignal
}

const PATH = '/api/v1/stream'
const agent = new Agent({ maxSockets: Number.POSITIVE_INFINITY })

/**
 * A client that reads, and comes back with its last id when it was cut off, as browsers do. It remembers which offset of each
 * partition comes next, so it sees what is missing or comes twice.
 */
export class ReadingClient {
  received = 0
  /** Events that were not the next one of their partition. */
  outOfOrder = 0
  /** Times that it had to come back. */
  comebacks = 0
  readonly #next = Array<number>(PARTITIONS).fill(0)
  #lastId = ''
  #text = ''
  readonly #target: Target
  readonly #onEvent: (data: string) => void

  /** @param onEvent is told each event's data */
  constructor(target: Target, onEvent: (data: string) => void = () => {}) {
    this.#target = target
    this.#onEvent = onEvent
  }

  /** Resolves when the stream is open; reads on until the signal comes. */
  async open(): Promise<void> {
    const answer = await this.#ask()
    void this.#readOn(answer)
  }

  async #ask(): Promise<IncomingMessage> {
    const { url, key, signal } = this.#target
    const headers = { 'X-API-Key': key, ...(this.#lastId === '' ? {} : { 'Last-Event-ID': this.#lastId }) }
    const request = get(new URL(PATH, url), { agent, headers, signal })
    const [answer] = (await once(request, 'response')) as [IncomingMessage]
    request.on('error', () => {}) // cut off: the answer's end tells
    if (answer.statusCode === 200) return answer
    answer.resume()
    throw new Error(`the stream answered with ${answer.statusCode}`)
  }

  async #readOn(answer: IncomingMessage): Promise<void> {
    const { signal } = this.#target
    for (let current: IncomingMessage | null = answer; !signal.aborted; ) {
      if (current !== null) await this.#read(current)
      if (signal.aborted) return
      this.comebacks++
      await sleep(500, undefined, { signal }).catch(() => {})
      current = await this.#ask().catch(() => null)
    }
  }

  async #read(answer: IncomingMessage): Promise<void> {
    this.#text = ''
    answer.setEncoding('latin1')
    answer.on('data', (text: string) => this.#take(text))
    answer.on('error', () => {})
    await once(answer, 'close').catch(() => {})
  }

  #take(text: string): void {
    const blocks = (this.#text + text).split('\n\n')
    this.#text = blocks.pop()!
    for (const block of blocks) this.#takeBlock(block)
  }

  #takeBlock(block: string): void {
    this.#lastId = /^id: (.+)$/m.exec(block)?.[1] ?? this.#lastId
    const data = /^data: (.+)$/m.exec(block)?.[1]
    if (data === undefined) return
    const [, partition, offset] = /"kafka_partition":(\d+),"kafka_offset":(\d+)/.exec(data) ?? []
    const expected = this.#next[Number(partition)]
    if (Number(offset) !== expected) this.outOfOrder++
    this.#next[Number(partition)] = Number(offset) + 1
    this.received++
    this.#onEvent(data)
  }
}

/** A client that asks for the stream and reads nothing of it. Resolves when it is one. */
export async function openIdleClient({ url, key, signal }: Target): Promise<Socket> {
  const socket = connect({ port: Number(url.port), host: url.hostname, signal }).on('error', () => {})
  socket.write(`GET ${PATH} HTTP/1.1\r\nHost: ${url.host}\r\nX-API-Key: ${key}\r\n\r\n`)
  await once(socket, 'readable')
  socket.pause()
  return socket
}

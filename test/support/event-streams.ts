import type pg from 'pg'
import { withClient } from '../../schemas/database.ts'
import { until } from '../harness.ts'

/** What tests of the stream of events need: rows as the pipeline commits them, and readers of the stream. */

export interface Row {
  partition: number
  offset: number
  /** Default 0.8. */
  score?: number
  /** Bytes that the row is made larger by. */
  padding?: number
}

export const idOf = ({ partition, offset }: Pick<Row, 'partition' | 'offset'>): string =>
  `T-${partition}-${offset}`

const TIME = '2026-11-24T09:30:00.000Z'

/** Positions at 0 for so many partitions, and the rows' month. */
export const layOut = (url: string, partitions: number): Promise<void> =>
  connected(url, async (client) => {
    await client.query('SELECT ensure_transactions_partition($1)', [TIME])
    await client.query(
      `INSERT INTO positions (topic, partition, next_offset) SELECT 'transactions', p, 0 FROM generate_series(0, $1 - 1) p`,
      [partitions],
    )
  })

/** Commits rows of consecutive offsets with their positions, in one transaction, as the pipeline does. */
export async function commit(client: pg.ClientBase, rows: readonly Row[]): Promise<void> {
  await client.query('BEGIN')
  const filled = rows.map((row) => ({ score: 0.8, padding: 0, id: idOf(row), ...row }))
  await client.query(
    `INSERT INTO transactions
     SELECT id, 'ACC-1', $2, 12.34, 'EUR', 'M-1', 'Grocery', 'Paris, FR', 'ATM', NULL, score, score >= 0.7,
            'HIGH_AMOUNT', jsonb_build_array(jsonb_build_object('code', 'HIGH_AMOUNT', 'message', repeat('x', padding))),
            '{}', 'NEW', 'rules-1', 'model-1', partition, "offset"
     FROM jsonb_to_recordset($1) AS r (id text, partition int, "offset" bigint, score real, padding int)`,
    [JSON.stringify(filled), TIME],
  )
  await client.query('CALL move_positions($1, $2)', ['transactions', JSON.stringify(movesOf(filled))])
  await client.query('COMMIT')
}

function movesOf(rows: readonly Required<Row>[]) {
  const moves = new Map<
    number,
    { expected: number; next_offset: number; stored: number; anomalies: number }
  >()
  for (const { partition, offset, score } of rows) {
    const move = moves.get(partition) ?? { expected: offset, next_offset: offset, stored: 0, anomalies: 0 }
    move.next_offset = offset + 1
    move.stored++
    if (score >= 0.7) move.anomalies++
    moves.set(partition, move)
  }
  return [...moves].map(([partition, move]) => ({ partition, ...move, duplicates: 0, dead_letters: 0 }))
}

/** Anomalies of one partition with consecutive offsets. */
export const rowsOf = (partition: number, from: number, count: number, more: Partial<Row> = {}): Row[] =>
  Array.from({ length: count }, (_, i) => ({ partition, offset: from + i, ...more }))

export const connected = <T>(url: string, use: (client: pg.Client) => Promise<T>): Promise<T> =>
  withClient({ connectionString: url, application_name: 'weir-test' }, use)

export interface ReadEvent {
  id: string
  event: string
  // biome-ignore lint/suspicious/noExplicitAny: tests look into it by names
  data: any
}

/** Reads a stream of events as the standard says (https://html.spec.whatwg.org/multipage/server-sent-events.html). */
export class EventReader {
  readonly events: ReadEvent[] = []
  /** What the client would send as Last-Event-ID. */
  lastId = ''
  retry: number | undefined
  isEnded = false
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>
  /** Settles when the stream ends, however. */
  readonly ended: Promise<void>

  constructor(answer: Response) {
    this.#reader = answer.body!.getReader()
    this.ended = this.#readAll()
      .catch(() => {})
      .finally(() => {
        this.isEnded = true
      })
  }

  async #readAll(): Promise<void> {
    const decoder = new TextDecoder()
    let text = ''
    for (;;) {
      const { done, value } = await this.#reader.read()
      if (done) return
      const more = decoder.decode(value, { stream: true })
      text += more
      if (!more.includes('\n')) continue // else a large event would be searched again and again
      const blocks = text.split('\n\n')
      text = blocks.pop()!
      for (const block of blocks) this.#take(block)
    }
  }

  #take(block: string): void {
    const fields = new Map(
      block.split('\n').map((line) => {
        const at = line.indexOf(':')
        return [line.slice(0, at), line.slice(at + 1).replace(/^ /, '')]
      }),
    )
    this.lastId = fields.get('id') ?? this.lastId
    if (fields.has('retry')) this.retry = Number(fields.get('retry'))
    const data = fields.get('data')
    if (data === undefined) return
    this.events.push({ id: this.lastId, event: fields.get('event') ?? 'message', data: JSON.parse(data) })
  }

  /** The ids of the anomalies so far. */
  anomalies = (): string[] =>
    this.events.filter(({ event }) => event === 'anomaly').map(({ data }) => data.transaction_id)

  /** Waits for so many events. */
  async have(count: number, seconds = 20): Promise<ReadEvent[]> {
    const what = () => `${count} events, of which ${this.events.length} came`
    await until(() => this.events.length >= count, { seconds, what: `${count} events` }).catch((cause) => {
      throw new Error(`waited in vain for ${what()}`, { cause })
    })
    return this.events
  }

  close = (): Promise<void> => this.#reader.cancel()
}

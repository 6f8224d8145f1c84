import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Batch } from '../../pipeline/batch.ts'
import { FEATURE_COUNT } from '../../pipeline/features/features.ts'
import { CopyEncoder } from '../../pipeline/store/copy-encoder.ts'
import { movesOf } from '../../pipeline/store/moves.ts'
import { postgresSessions, type StoreSession } from '../../pipeline/store/session.ts'
import { FENCED } from '../../pipeline/store/sql.ts'
import { freshDatabase, query } from '../harness.ts'
import { batchOf, ownership } from '../support/batches.ts'
import { NOON, transaction } from '../support/transactions.ts'

/** Rows, and the length of a text in each: less than a socket takes at once, more than that, and many chunks. */
const SIZES = { 'one row': [1, 5], '80 KB': [300, 100], '3 MB': [3000, 900] } as const
type Size = (typeof SIZES)[keyof typeof SIZES]

const BAD_DATA = /^2[23]/
const MISSING_TABLE = /^42P01$/

/** A batch, its rows in the COPY format, and what it does to the position. */
interface Work {
  rows: Buffer[]
  batches: Batch[]
  moves: ReturnType<typeof movesOf>
}

/** A partition's connection and table, with no rows yet. */
class Store {
  readonly #url: string
  readonly #encoder = new CopyEncoder('rules', 'model')
  readonly #owner = ownership()
  #session: StoreSession | null = null

  static async open(t: TestContext): Promise<Store> {
    const store = new Store(await freshDatabase(t))
    t.after(() => store.#session?.destroy())
    await store.sql(`INSERT INTO positions (topic, partition, next_offset) VALUES ('transactions', 0, 0)`)
    await (await store.session()).ensurePartition(NOON)
    return store
  }

  private constructor(url: string) {
    this.#url = url
  }

  sql<Row extends object>(text: string): Promise<Row[]> {
    return query<Row>(this.#url, text)
  }

  /** The connection, or a new one when it was lost. */
  async session(): Promise<StoreSession> {
    if (this.#session !== null) return this.#session
    const open = postgresSessions({ connectionString: this.#url, application_name: 'weir-test-lane' })
    const session = await open(() => {
      if (this.#session === session) this.#session = null
    })
    this.#session = session
    return session
  }

  /** The next transactions behind an offset. */
  work([count, letters]: Size, from: number): Work {
    const location = 'x'.repeat(letters)
    const transactions = Array.from({ length: count }, () => transaction({ location }))
    const batch = batchOf(transactions, this.#owner, from)
    batch.features = new Float64Array(count * FEATURE_COUNT)
    batch.scores = new Float32Array(count)
    return { rows: this.#encoder.encode([batch]), batches: [batch], moves: movesOf([batch]) }
  }

  async put({ rows, batches, moves }: Work): Promise<void> {
    await (await this.session()).store(rows, batches, moves)
  }

  /** Where the partition stands: the rows must be those before the position. */
  async position(): Promise<number> {
    const position = await (await this.session()).readPosition('transactions', 0)
    const [{ first, last, count }] = await this.sql<{ first: number; last: number; count: number }>(
      `SELECT coalesce(min(kafka_offset), 0) AS first, coalesce(max(kafka_offset), -1) AS last, count(*) FROM transactions`,
    )
    assert.deepEqual([first, last, count], [0, position - 1, position])
    return position
  }

  /** Rows equal the position, and the next transactions are stored. */
  async goesOn(size: Size): Promise<void> {
    const from = await this.position()
    await this.put(this.work(size, from))
    assert.equal(await this.position(), from + size[0])
  }
}

/** Overwrites rows with what is no row. */
function spoilt(work: Work, chunk: number): Work {
  const bytes = work.rows[chunk]
  bytes.fill(0xff, chunk === 0 ? 19 : 0, Math.min(bytes.length, 5000))
  return work
}

const refused = (work: Promise<void>, code: RegExp) => assert.rejects(work, { code })

/** What is done to a transaction, with the error that must come of it. */
const faults: Record<string, (store: Store, size: Size) => Promise<void>> = {
  async 'a COPY that fails at its start'(store, size) {
    await store.sql('ALTER TABLE transactions RENAME TO gone')
    await refused(store.put(store.work(size, await currentOffset(store))), MISSING_TABLE)
    await store.sql('ALTER TABLE gone RENAME TO transactions')
  },
  async 'bad data in the first chunk'(store, size) {
    await refused(store.put(spoilt(store.work(size, await store.position()), 0)), BAD_DATA)
  },
  async 'bad data in the last chunk'(store, size) {
    const work = store.work(size, await store.position())
    await refused(store.put(spoilt(work, work.rows.length - 1)), BAD_DATA)
  },
  async 'a position that is somebody else’s'(store, size) {
    await refused(store.put(store.work(size, (await store.position()) + 7)), new RegExp(FENCED))
  },
  async 'errors in immediate succession'(store, size) {
    const from = await store.position()
    await refused(store.put(spoilt(store.work(size, from), 0)), BAD_DATA)
    await refused(store.put(store.work(size, from + 7)), new RegExp(FENCED))
    await store.put(store.work(size, from))
    await refused(store.put(store.work(size, from)), new RegExp(FENCED))
  },
}

/** The position where the table is not there to compare. */
const currentOffset = async (store: Store): Promise<number> =>
  (await store.session()).readPosition('transactions', 0)

for (const [fault, provoke] of Object.entries(faults))
  test(`after ${fault} the rows are those before the position, and the next ones are stored`, async (t) => {
    const store = await Store.open(t)
    for (const size of Object.values(SIZES)) {
      await provoke(store, size)
      await store.goesOn(size)
    }
  })

/** Ways to lose the connection. */
const losses: Record<string, (store: Store) => Promise<unknown>> = {
  'backend is ended': (store) =>
    store.sql(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
       WHERE application_name = 'weir-test-lane' AND datname = current_database()`,
    ),
  'client is cut': async (store) => (await store.session()).destroy(),
}
const ROUNDS = 8

for (const [loss, lose] of Object.entries(losses))
  test(`when the ${loss} at any moment of a transaction, all of it is stored or nothing`, async (t) => {
    const store = await Store.open(t)
    const met = { stored: 0, lost: 0 }
    for (const size of Object.values(SIZES)) {
      const began = performance.now()
      await store.goesOn(size)
      const takes = performance.now() - began
      for (let round = 0; round < ROUNDS; round++) {
        const from = await store.position()
        const put = store.put(store.work(size, from)).then(
          () => 'stored' as const,
          () => 'lost' as const,
        )
        const lost = sleep((takes * round) / ROUNDS).then(() => lose(store))
        const outcome = await put
        await lost
        met[outcome]++
        await sleep(20) // the end of the connection is told
        const position = await store.position()
        if (outcome === 'stored') assert.equal(position, from + size[0])
        else assert.ok(position === from || position === from + size[0])
        await store.goesOn(SIZES['one row'])
      }
    }
    t.diagnostic(JSON.stringify(met))
    assert.ok(met.lost > 0)
  })

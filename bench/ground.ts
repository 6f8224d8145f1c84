import { randomBytes } from 'node:crypto'
import type { Admin } from 'kafkajs'
import { type LocalServers, startServers } from '../deploy/local/servers.ts'
import { createClient } from '../schemas/database.ts'
import { createKafka, createTopics } from '../schemas/kafka.ts'
import { createLogger } from '../schemas/log.ts'
import { migrate } from '../schemas/migrate.ts'
import { subjectOf } from '../schemas/registry.ts'
import type { Needed, Settings } from '../schemas/settings.ts'

export type GroundSettings = Needed<'KAFKA_BROKERS' | 'SCHEMA_REGISTRY_URL' | 'DATABASE_URL'>

const log = createLogger('bench', 'silent')

/** Servers, and on them a topic and databases for one benchmark alone, deleted at its end. */
export interface Ground extends AsyncDisposable {
  /** As given, with the servers and the topics filled in. */
  settings: GroundSettings
  servers: LocalServers
  /** Records that the topic holds. */
  topicRecords(): Promise<number>
  /** A database of this version's schema. */
  freshDatabase(): Promise<FreshDatabase>
  /** A copy of one that nobody is connected to. */
  copyDatabase(of: FreshDatabase): Promise<FreshDatabase>
}

export interface FreshDatabase extends AsyncDisposable {
  url: string
}

export interface GroundOptions {
  settings: Settings
  progress: (line: string) => void
  signal: AbortSignal
}

/** @throws when there is no Kafka, or the role may not create databases */
export async function prepareGround({ settings, progress, signal }: GroundOptions): Promise<Ground> {
  await using stack = new AsyncDisposableStack()
  const servers = stack.use(await startServers({ settings, progress, signal }))
  const { KAFKA_BROKERS, SCHEMA_REGISTRY_URL, DATABASE_URL } = servers
  if (servers.missing !== null || KAFKA_BROKERS === null || SCHEMA_REGISTRY_URL === null)
    throw new Error(`the benchmark needs Kafka and a schema registry. ${servers.missing}`)

  const topic = `weir-bench-${randomBytes(4).toString('hex')}`
  const filled: GroundSettings = {
    ...settings,
    KAFKA_BROKERS,
    SCHEMA_REGISTRY_URL,
    DATABASE_URL,
    TRANSACTIONS_TOPIC: topic,
    DEAD_LETTER_TOPIC: `${topic}.dead-letter`,
    LABELS_TOPIC: `${topic}.labels`,
    CREATE_TOPICS: true,
    REGISTER_SCHEMAS: true,
    API_KEY: undefined, // nothing that runs here needs it
  }
  const admin = createKafka(filled, 'weir-bench', log).admin()
  await admin.connect()
  stack.defer(() => admin.disconnect())
  await createTopics(admin, filled)
  stack.defer(() => deleteTopic(admin, filled))

  const owned = stack.move()
  return {
    settings: filled,
    servers,
    topicRecords: async () =>
      (await admin.fetchTopicOffsets(topic)).reduce(
        (sum, { high, low }) => sum + Number(high) - Number(low),
        0,
      ),
    freshDatabase: () => freshDatabase(DATABASE_URL),
    copyDatabase: ({ url }) => createDatabase(DATABASE_URL, `TEMPLATE ${new URL(url).pathname.slice(1)}`),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

async function deleteTopic(admin: Admin, settings: GroundSettings): Promise<void> {
  const { TRANSACTIONS_TOPIC, DEAD_LETTER_TOPIC, LABELS_TOPIC, SCHEMA_REGISTRY_URL } = settings
  await admin.deleteTopics({ topics: [TRANSACTIONS_TOPIC, DEAD_LETTER_TOPIC, LABELS_TOPIC] })
  const base = SCHEMA_REGISTRY_URL.replace(/\/?$/, '/')
  // A registry that may not be written to keeps an unused subject: no reason to fail after all was measured.
  await fetch(new URL(`subjects/${subjectOf(TRANSACTIONS_TOPIC)}`, base), { method: 'DELETE' }).catch(
    () => {},
  )
}

/** @param server URL of one whose role may create databases */
export async function freshDatabase(server: string): Promise<FreshDatabase> {
  const database = await createDatabase(server)
  try {
    await migrate(database.url, log)
  } catch (error) {
    await database[Symbol.asyncDispose]()
    throw error
  }
  return database
}

async function createDatabase(server: string, template = ''): Promise<FreshDatabase> {
  const name = `weir_bench_${randomBytes(4).toString('hex')}`
  // This strategy begins with a checkpoint: what earlier measurements left is written out before the next one.
  await query(server, `CREATE DATABASE ${name} ${template} STRATEGY FILE_COPY`).catch((cause) => {
    throw new Error(
      `the role of DATABASE_URL cannot create a database for the benchmark (${cause.message}): give it CREATEDB, ` +
        'or unset DATABASE_URL for a local server',
      { cause },
    )
  })
  const drop = async () => {
    const statement = `DROP DATABASE IF EXISTS ${name}`
    // Only a superuser may force an autovacuum out, but without force the server sends it away itself.
    await query(server, `${statement} WITH (FORCE)`).catch(() => query(server, statement))
  }
  const url = new URL(server)
  url.pathname = name
  return { url: url.href, [Symbol.asyncDispose]: drop }
}

/** Runs one statement on a connection of its own. */
export async function query<Row extends object>(connectionString: string, text: string): Promise<Row[]> {
  const client = createClient({ connectionString, application_name: 'weir-bench' })
  await client.connect()
  try {
    return (await client.query<Row>(text)).rows
  } finally {
    await client.end()
  }
}

import { createHash, randomBytes } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { after, type TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { startServers } from '../deploy/local/servers.ts'
import { createClient } from '../schemas/database.ts'
import { createKafka, createTopics } from '../schemas/kafka.ts'
import { createLogger } from '../schemas/log.ts'
import { migrate } from '../schemas/migrate.ts'
import { loadSettings, type Name, type Needed, type Settings } from '../schemas/settings.ts'

/**
 * What integration tests need: one real Kafka, registry and PostgreSQL, which test/run.ts has started, and for each
 * test topics and a database of its own, gone after it.
 */

type ServerName = 'KAFKA_BROKERS' | 'SCHEMA_REGISTRY_URL' | 'DATABASE_URL'
type TopicName = 'TRANSACTIONS_TOPIC' | 'DEAD_LETTER_TOPIC' | 'LABELS_TOPIC'
type TestSettings = Needed<ServerName | 'API_KEY'>
type Env = Partial<Record<Name, string>>

const quiet = createLogger('test', 'silent')

// On a machine that is far too busy a pipeline gives up waiting for its clients' end, as it must, and what they hold keeps
// this process, and all files that come after it.
after(() => {
  const leave = () => {
    console.error(`still open after the last test: ${process.getActiveResourcesInfo().join(', ')}`)
    process.exit()
  }
  setTimeout(leave, 20_000).unref()
})

/** Something that runs code at a test's end: a test, or a suite's `before`. */
export type Scope = Pick<TestContext, 'after'>

/** The servers' addresses, as test/run.ts (or `npm run servers`) gave them. */
export const servers = (): Needed<ServerName> =>
  loadSettings(['KAFKA_BROKERS', 'SCHEMA_REGISTRY_URL', 'DATABASE_URL'], process.env)

/** A database of this version's schema for this test alone. */
export async function freshDatabase(t: Scope): Promise<string> {
  const template = await migratedTemplate()
  return createDatabase(t, `TEMPLATE ${template}`)
}

/** A database without tables for this test alone. */
export const emptyDatabase = (t: Scope): Promise<string> => createDatabase(t, 'TEMPLATE template0')

async function createDatabase(t: Scope, how: string): Promise<string> {
  const name = `test_${randomName()}`
  await query(servers().DATABASE_URL, `CREATE DATABASE ${name} ${how}`)
  // What a failed test left connected must not keep the database.
  t.after(() => dropDatabase(name))
  return withDatabase(name)
}

/** An autovacuum worker may be at it, which only a superuser may end: it is over in a moment. */
async function dropDatabase(name: string): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      await query(servers().DATABASE_URL, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`)
      return
    } catch (error) {
      if (tries === 60) throw error
      await sleep(500)
    }
  }
}

/** Made once for each state of the migrations: its name says which, so that an old one is never taken. */
async function migratedTemplate(): Promise<string> {
  const directory = new URL('../schemas/sql/', import.meta.url)
  const hash = createHash('sha256')
  for (const file of readdirSync(directory).sort())
    hash.update(file).update(readFileSync(new URL(file, directory)))
  const name = `template_${hash.digest('hex').slice(0, 12)}`
  const client = createClient({ connectionString: servers().DATABASE_URL, application_name: 'weir-test' })
  await client.connect()
  try {
    // Test files may run at the same time: the first makes it, the others wait.
    await client.query(`SELECT pg_advisory_lock(hashtext('weir.test.template'))`)
    const { rows } = await client.query('SELECT 1 FROM pg_database WHERE datname = $1', [name])
    if (rows.length > 0) return name
    const unfinished = `${name}_unfinished`
    await client.query(`DROP DATABASE IF EXISTS ${unfinished}`)
    await client.query(`CREATE DATABASE ${unfinished} TEMPLATE template0`)
    await migrate(withDatabase(unfinished), quiet)
    await client.query(`ALTER DATABASE ${unfinished} RENAME TO ${name}`)
    return name
  } finally {
    await client.end()
  }
}

function withDatabase(name: string): string {
  const url = new URL(servers().DATABASE_URL)
  url.pathname = name
  return url.href
}

/** Runs one statement on a connection of its own. */
export async function query<Row extends object>(
  connectionString: string,
  text: string,
  values: unknown[] = [],
): Promise<Row[]> {
  const client = createClient({ connectionString, application_name: 'weir-test' })
  await client.connect()
  try {
    return (await client.query<Row>(text, values)).rows
  } finally {
    await client.end()
  }
}

/** Topics and a consumer group for this test alone. The topics are there when it returns. */
export async function freshTopics(
  t: Scope,
  { partitions = 2 }: { partitions?: number } = {},
): Promise<Pick<Settings, TopicName | 'KAFKA_GROUP_ID'>> {
  const topic = `test-${randomName()}`
  const names = {
    TRANSACTIONS_TOPIC: topic,
    DEAD_LETTER_TOPIC: `${topic}.dead-letter`,
    LABELS_TOPIC: `${topic}.labels`,
    KAFKA_GROUP_ID: `${topic}-group`,
  }
  const env = { ...names, TOPIC_PARTITIONS: String(partitions) }
  await withAdmin((admin) => createTopics(admin, loadSettings([], env)))
  const topics = [names.TRANSACTIONS_TOPIC, names.DEAD_LETTER_TOPIC, names.LABELS_TOPIC]
  t.after(() => withAdmin((admin) => admin.deleteTopics({ topics })))
  return names
}

async function withAdmin<T>(use: (admin: ReturnType<ReturnType<typeof createKafka>['admin']>) => Promise<T>) {
  const admin = createKafka(servers(), 'weir-test', quiet).admin()
  await admin.connect()
  try {
    return await use(admin)
  } finally {
    await admin.disconnect()
  }
}

/**
 * All settings that the pipeline, the producer and the API need, over topics and a database for this test alone.
 * @param overrides settings as they would stand in the environment
 */
export async function testSettings(t: Scope, overrides: Env = {}): Promise<TestSettings> {
  const { KAFKA_BROKERS, SCHEMA_REGISTRY_URL } = servers()
  const topics = await freshTopics(t, { partitions: Number(overrides.TOPIC_PARTITIONS ?? 2) })
  const env: Env = {
    NODE_ENV: 'test',
    LOG_LEVEL: 'silent',
    TOPIC_PARTITIONS: '2',
    KAFKA_BROKERS: KAFKA_BROKERS.join(','),
    SCHEMA_REGISTRY_URL,
    DATABASE_URL: overrides.DATABASE_URL ?? (await freshDatabase(t)),
    API_KEY: 'a-key-for-the-tests-only',
    PORT: '0',
    PIPELINE_METRICS_PORT: '0',
    // Weeks sent in seconds are known in part when their days are needed: so no label is ever due.
    LABEL_DELAY_DAYS: '3650',
    ...topics,
    ...overrides,
  }
  return loadSettings(['KAFKA_BROKERS', 'SCHEMA_REGISTRY_URL', 'DATABASE_URL', 'API_KEY'], env)
}

/**
 * Waits until a condition holds.
 * @param condition what it returns is returned once it is truthy; an error counts as not yet
 * @throws after `seconds` (10), saying what was waited for
 */
export async function until<T>(
  condition: () => T | Promise<T>,
  { seconds = 10, what }: { seconds?: number; what: string },
): Promise<NonNullable<T>> {
  const deadline = Date.now() + seconds * 1000
  let cause: unknown
  for (;;) {
    try {
      const value = await condition()
      if (value) return value
    } catch (error) {
      cause = error
    }
    if (Date.now() > deadline) throw new Error(`waited ${seconds} s in vain for ${what}`, { cause })
    await sleep(25)
  }
}

/** A migrated PostgreSQL for this test alone, which it can stop and start (`postgres.stop`, `.start`, `.pid`). */
export async function controllableServers(t: Scope) {
  const started = await startServers({
    settings: { KAFKA_BROKERS: ['127.0.0.1:1'], SCHEMA_REGISTRY_URL: 'http://127.0.0.1:1' },
  })
  t.after(() => started.stop())
  await migrate(started.DATABASE_URL, quiet)
  return { DATABASE_URL: started.DATABASE_URL, postgres: started.postgres!, directory: started.directory }
}

const randomName = (): string => randomBytes(6).toString('hex')

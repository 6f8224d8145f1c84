import { createKafka, createTopics } from '../../schemas/kafka.ts'
import { loadSettings, type Name } from '../../schemas/settings.ts'
import { type Scope, servers } from '../harness.ts'
import { allow, documentedAcls, entriesOf } from './acls.ts'
import { Authority } from './certificates.ts'
import { startSecureKafka } from './secure-kafka.ts'
import { startSecurePostgres } from './secure-postgres.ts'
import { startSecureRegistry } from './secure-registry.ts'
import { quiet } from './topics.ts'

export type Env = Partial<Record<Name, string>>

export const API_KEY = 'a-key-of-the-bank-s-own'

/** Beside the users of deploy/tls.md: who has no right at all, or lacks one. */
const LACKING = [
  '--allow-principal User:groupless --operation Read --topic transactions',
  '--allow-principal User:groupless --operation Write --topic transactions.dead-letter',
  '--allow-principal User:mute --operation Read --topic transactions --group weir',
  '--allow-principal User:certified --operation Read --topic transactions --group weir',
]
const USERS = ['fraud_detector', 'producer', 'fraud_operator', 'stranger', 'groupless', 'mute']

/**
 * Kafka, the registry and PostgreSQL as a bank runs them, each proved by the authority `authority`, with topics and with the
 * rights that deploy/tls.md gives.
 */
export async function startSecureWorld(t: Scope) {
  const authority = new Authority(t)
  const stranger = new Authority(t, 'An authority of somebody else')
  const certificate = authority.issue('certified')
  const [kafka, postgres, registry] = await Promise.all([
    startSecureKafka(t, authority, USERS),
    startSecurePostgres(t, authority),
    startSecureRegistry(t, authority, servers().SCHEMA_REGISTRY_URL),
  ])
  const databaseUrl = () => postgres.url(`sslmode=verify-full&sslrootcert=${authority.ca}`)

  /** Of a process in production that is this user in Kafka. */
  const envOf = (user: string, more: Env = {}): Env => ({
    NODE_ENV: 'production',
    ...kafka.access(user),
    ...registry,
    DATABASE_URL: databaseUrl(),
    API_KEY,
    PORT: '0',
    PIPELINE_METRICS_PORT: '0',
    LABEL_DELAY_DAYS: '3650',
    ...more,
  })
  const settingsOf = (user: string, more: Env = {}) =>
    loadSettings(['KAFKA_BROKERS', 'SCHEMA_REGISTRY_URL', 'DATABASE_URL'], envOf(user, more))

  const admin = createKafka(settingsOf('admin'), 'weir-test', quiet).admin()
  await admin.connect()
  await createTopics(admin, settingsOf('admin', { TOPIC_PARTITIONS: '2' }))
  await allow(admin, [...documentedAcls(), ...LACKING.flatMap(entriesOf)])
  await admin.disconnect()
  return { stranger, certificate, kafka, registry, databaseUrl, envOf, settingsOf }
}

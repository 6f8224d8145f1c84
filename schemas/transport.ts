import { databaseHost, isLocalDatabase, sslModeOf } from './database-url.ts'
import { isLoopback } from './loopback.ts'
import type { Settings } from './settings.ts'

/**
 * What does not fit together in how Kafka, the registry and PostgreSQL are reached; in production also what others on the way
 * could read or pose as, unless ALLOW_PLAINTEXT says that nobody is there.
 */
export function transportFaults(settings: Settings): string[] {
  const faults = [...kafkaFaults(settings), ...registryFaults(settings)]
  if (settings.NODE_ENV === 'production' && !settings.ALLOW_PLAINTEXT) faults.push(...openFaults(settings))
  return faults
}

const SASL_SETTINGS = ['KAFKA_SASL_USERNAME', 'KAFKA_SASL_PASSWORD'] as const
const TLS_SETTINGS = ['KAFKA_SSL_CA_FILE', 'KAFKA_SSL_CERT_FILE', 'KAFKA_SSL_KEY_FILE'] as const

export const usesSasl = (protocol: string): boolean => protocol.startsWith('SASL_')
export const usesTls = (protocol: string): boolean => protocol.endsWith('SSL')

/** What is set and not used would be believed to protect something. */
function kafkaFaults(settings: Settings): string[] {
  const protocol = settings.KAFKA_SECURITY_PROTOCOL
  const but = `though KAFKA_SECURITY_PROTOCOL is ${protocol}`
  const faults: string[] = []
  for (const name of SASL_SETTINGS) {
    if (usesSasl(protocol) && settings[name] === undefined) faults.push(`${name}: not set, ${but}`)
    if (!usesSasl(protocol) && settings[name] !== undefined)
      faults.push(`${name}: set, ${but}, which has no user; SASL_SSL has`)
  }
  for (const name of TLS_SETTINGS)
    if (!usesTls(protocol) && settings[name] !== undefined)
      faults.push(`${name}: set, ${but}, which has no TLS; SASL_SSL and SSL have`)
  if ((settings.KAFKA_SSL_CERT_FILE === undefined) !== (settings.KAFKA_SSL_KEY_FILE === undefined))
    faults.push('KAFKA_SSL_CERT_FILE and KAFKA_SSL_KEY_FILE go together; one is not set')
  return faults
}

function registryFaults(settings: Settings): string[] {
  const { SCHEMA_REGISTRY_USERNAME: user, SCHEMA_REGISTRY_PASSWORD: password } = settings
  const faults: string[] = []
  if ((user === undefined) !== (password === undefined))
    faults.push('SCHEMA_REGISTRY_USERNAME and SCHEMA_REGISTRY_PASSWORD go together; one is not set')
  if (settings.SCHEMA_REGISTRY_URL === undefined) return faults
  const url = new URL(settings.SCHEMA_REGISTRY_URL)
  if (user !== undefined && url.username !== '')
    faults.push('SCHEMA_REGISTRY_USERNAME: the user of SCHEMA_REGISTRY_URL is another one; keep one of them')
  if (settings.SCHEMA_REGISTRY_CA_FILE !== undefined && url.protocol !== 'https:')
    faults.push('SCHEMA_REGISTRY_CA_FILE: set, though SCHEMA_REGISTRY_URL is not https')
  return faults
}

const REFUSED = 'which production refuses; ALLOW_PLAINTEXT=true is for a network that is yours alone'

function openFaults(settings: Settings): string[] {
  const faults: string[] = []
  const remote = settings.KAFKA_BROKERS?.find((broker) => !isLoopback(broker.replace(/:\d+$/, '')))
  const protocol = settings.KAFKA_SECURITY_PROTOCOL
  if (remote !== undefined && !usesTls(protocol))
    faults.push(
      `KAFKA_SECURITY_PROTOCOL: ${protocol} to ${remote} can be read on the way, ${REFUSED}. Set SASL_SSL or SSL`,
    )
  const registry = settings.SCHEMA_REGISTRY_URL && new URL(settings.SCHEMA_REGISTRY_URL)
  if (registry && registry.protocol !== 'https:' && !isLoopback(registry.hostname))
    faults.push(
      `SCHEMA_REGISTRY_URL: http to ${registry.host} can be read and changed on the way, ${REFUSED}. Use https`,
    )
  const database = settings.DATABASE_URL
  if (database !== undefined && !isLocalDatabase(database) && sslModeOf(database) !== 'verify-full')
    faults.push(
      `DATABASE_URL: with sslmode=${sslModeOf(database)} another server than ${databaseHost(database)} may pose as PostgreSQL, ${REFUSED}. ` +
        'Set sslmode=verify-full, and sslrootcert to the file of its authority',
    )
  return faults
}

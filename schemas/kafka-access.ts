import type { SASLOptions } from 'kafkajs'
import { currentValue } from './setting-values.ts'
import type { Settings } from './settings.ts'
import type { TlsFile, TlsFiles } from './tls-files.ts'
import { usesSasl, usesTls } from './transport.ts'

type Security =
  | 'KAFKA_SECURITY_PROTOCOL'
  | 'KAFKA_SASL_MECHANISM'
  | 'KAFKA_SASL_USERNAME'
  | 'KAFKA_SASL_PASSWORD'
  | 'KAFKA_SSL_CA_FILE'
  | 'KAFKA_SSL_CERT_FILE'
  | 'KAFKA_SSL_KEY_FILE'

/** The settings by which Kafka is reached; brokers alone: without TLS and user. */
export type KafkaAccess = { KAFKA_BROKERS: string[] } & Partial<Pick<Settings, Security>>

export const protocolOf = ({ KAFKA_SECURITY_PROTOCOL = 'PLAINTEXT' }: KafkaAccess): string =>
  KAFKA_SECURITY_PROTOCOL

/** Certificates of the connections; undefined where they have no TLS. */
export function tlsFilesOf(access: KafkaAccess): TlsFiles | undefined {
  if (!usesTls(protocolOf(access))) return undefined
  const file = (setting: keyof KafkaAccess & `${string}_FILE`): TlsFile | undefined => {
    const path = access[setting]
    return path === undefined ? undefined : { setting, path }
  }
  return {
    ca: file('KAFKA_SSL_CA_FILE'),
    cert: file('KAFKA_SSL_CERT_FILE'),
    key: file('KAFKA_SSL_KEY_FILE'),
  }
}

/** The user as kafkajs wants it; it asks for the password at each connection. */
export function saslOf(access: KafkaAccess): SASLOptions | undefined {
  if (!usesSasl(protocolOf(access))) return undefined
  const { KAFKA_SASL_USERNAME = '', KAFKA_SASL_PASSWORD = '' } = access
  return {
    mechanism: mechanismOf(access).toLowerCase() as 'scram-sha-512',
    username: KAFKA_SASL_USERNAME,
    get password() {
      return currentValue('KAFKA_SASL_PASSWORD', KAFKA_SASL_PASSWORD)
    },
  }
}

export const mechanismOf = ({ KAFKA_SASL_MECHANISM = 'SCRAM-SHA-512' }: KafkaAccess): string =>
  KAFKA_SASL_MECHANISM

/** Whom Kafka takes us for, as its ACLs say it. */
export function principalOf(access: KafkaAccess): string {
  if (usesSasl(protocolOf(access))) return `User:${access.KAFKA_SASL_USERNAME}`
  if (usesTls(protocolOf(access)) && access.KAFKA_SSL_CERT_FILE !== undefined)
    return 'the user of KAFKA_SSL_CERT_FILE'
  return 'User:ANONYMOUS'
}

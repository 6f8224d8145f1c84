import { type KafkaAccess, mechanismOf, principalOf, protocolOf } from './kafka-access.ts'
import { tlsAdvice } from './tls-advice.ts'
import { usesTls } from './transport.ts'

const TLS_NAMES = {
  server: 'the broker',
  ca: 'KAFKA_SSL_CA_FILE',
  identity: 'KAFKA_SSL_CERT_FILE and KAFKA_SSL_KEY_FILE',
}

/**
 * Adds to an error of kafkajs what to do about it, where its cause is TLS, who we say that we are, or what we may do.
 * @returns the same error
 */
export const explainKafka = <E extends Error>(error: E, access: KafkaAccess): E =>
  explain(error, (cause) => adviceOf(cause, access))

/** The same for the first connection: a broker that hangs up may not speak as we do. Later on it is just away. */
export const explainFirstContact = <E extends Error>(error: E, access: KafkaAccess): E =>
  explain(error, (cause) => adviceOf(cause, access) ?? hungUp(cause, access))

function explain<E extends Error>(error: E, advise: (cause: Error) => string | undefined): E {
  const advice = causesOf(error)
    .map(advise)
    .find((text) => text !== undefined)
  if (advice !== undefined && !error.message.includes(advice)) error.message = `${error.message}. ${advice}`
  return error
}

const MAX_CAUSES = 5

function causesOf(error: Error): Error[] {
  const causes = [error]
  while (causes.length < MAX_CAUSES) {
    // Topics that could not be made are told together.
    const { cause, errors } = causes[causes.length - 1] as Error & { errors?: unknown[] }
    const next = cause ?? errors?.[0]
    if (!(next instanceof Error)) break
    causes.push(next)
  }
  return causes
}

function adviceOf(error: Error, access: KafkaAccess): string | undefined {
  const { type } = error as { type?: string }
  const right = /^(TOPIC|GROUP|CLUSTER|TRANSACTIONAL_ID)_AUTHORIZATION_FAILED$/.exec(type ?? '')?.[1]
  if (right !== undefined) return missingRight(right, access)
  if (type === 'UNSUPPORTED_SASL_MECHANISM' || /mechanism is not supported/.test(error.message))
    return `The listener does not take ${mechanismOf(access)}: set KAFKA_SASL_MECHANISM to one that it does.`
  if (type === 'SASL_AUTHENTICATION_FAILED' || error.name === 'KafkaJSSASLAuthenticationError')
    return `Kafka refuses ${principalOf(access)}: are KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD right, and has it credentials for ${mechanismOf(access)}?`
  if (type === 'ILLEGAL_SASL_STATE')
    return `Does this listener have users at all? KAFKA_SECURITY_PROTOCOL is ${protocolOf(access)}.`
  return usesTls(protocolOf(access)) ? tlsAdvice(error, TLS_NAMES) : undefined
}

/** It says nothing to whoever does not speak as it expects. */
const HUNG_UP = /closed connection|connection closed by the server|ECONNRESET|before secure TLS/i

function hungUp(error: Error, access: KafkaAccess): string | undefined {
  if (!HUNG_UP.test(error.message)) return undefined
  return `It hung up: does this listener expect something else than KAFKA_SECURITY_PROTOCOL=${protocolOf(access)}?`
}

const RESOURCES: Record<string, string> = {
  TOPIC: 'a topic (TRANSACTIONS_TOPIC, DEAD_LETTER_TOPIC, LABELS_TOPIC)',
  GROUP: 'the group (KAFKA_GROUP_ID, and the names that begin so)',
  CLUSTER: 'the cluster, as to make topics',
  TRANSACTIONAL_ID: 'a transactional id',
}

const missingRight = (kind: string, access: KafkaAccess): string =>
  `${principalOf(access)} lacks a right to ${RESOURCES[kind]}; deploy/tls.md has the \`kafka-acls\` lines for each role.`

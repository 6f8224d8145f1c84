import assert from 'node:assert/strict'
import { test } from 'node:test'
import { explainFirstContact, explainKafka } from '../../schemas/kafka-advice.ts'

const SASL = {
  KAFKA_BROKERS: ['broker:9093'],
  KAFKA_SECURITY_PROTOCOL: 'SASL_SSL' as const,
  KAFKA_SASL_USERNAME: 'detector',
  KAFKA_SASL_PASSWORD: 'canary',
}
const PLAIN = { KAFKA_BROKERS: ['broker:9092'] }

const failed = (message: string, fields: object = {}) => Object.assign(new Error(message), fields)

const CASES: [what: string, error: Error, expected: RegExp][] = [
  [
    'a wrong password',
    failed('SASL SCRAM SHA512 authentication failed: …', { name: 'KafkaJSSASLAuthenticationError' }),
    /Kafka refuses User:detector: are KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD right, .* SCRAM-SHA-512/,
  ],
  [
    'a mechanism that the listener does not have',
    failed('The broker does not support the requested SASL mechanism', {
      type: 'UNSUPPORTED_SASL_MECHANISM',
    }),
    /set KAFKA_SASL_MECHANISM/,
  ],
  ['a listener without users', failed('…', { type: 'ILLEGAL_SASL_STATE' }), /have users at all/],
  [
    'a topic',
    failed('Not authorized', { type: 'TOPIC_AUTHORIZATION_FAILED' }),
    /User:detector lacks a right to a topic/,
  ],
  [
    'the group',
    failed('Not authorized', { type: 'GROUP_AUTHORIZATION_FAILED' }),
    /the group \(KAFKA_GROUP_ID/,
  ],
  ['making topics', failed('Not authorized', { type: 'CLUSTER_AUTHORIZATION_FAILED' }), /the cluster/],
  [
    'another authority',
    failed('Connection error: unable to verify the first certificate', {
      code: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
    }),
    /KAFKA_SSL_CA_FILE must name/,
  ],
  [
    'a certificate that has run out',
    failed('Connection error: certificate has expired', { code: 'CERT_HAS_EXPIRED' }),
    /has run out/,
  ],
  [
    'a certificate of ours that is asked for',
    failed('…', { code: 'ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED' }),
    /see KAFKA_SSL_CERT_FILE and KAFKA_SSL_KEY_FILE/,
  ],
]
for (const [what, error, expected] of CASES) {
  test(`${what}: what to do is told once, as a cause too, and no password`, () => {
    const { message } = error
    const outer = new Error('Kafka cannot be used', { cause: error })
    assert.match(explainKafka(outer, SASL).message, expected)
    assert.equal(explainKafka(error, SASL), error)
    const told = error.message
    assert.ok(told.startsWith(`${message}. `))
    assert.match(told, expected)
    assert.equal(explainKafka(error, SASL).message, told)
    assert.doesNotMatch(told, /canary/)
  })
}

test('topics that could not be made are told together, and so is why', () => {
  const refused = failed('…', { type: 'TOPIC_AUTHORIZATION_FAILED' })
  const error = failed('Topic creation errors', { errors: [refused] })
  assert.match(explainKafka(error, PLAIN).message, /User:ANONYMOUS lacks a right to a topic/)
})

test('a broker that hangs up may speak otherwise, at the first contact only', () => {
  const message = 'Closed connection'
  assert.equal(explainKafka(failed(message), PLAIN).message, message)
  assert.match(
    explainFirstContact(failed(message), PLAIN).message,
    /It hung up: .*KAFKA_SECURITY_PROTOCOL=PLAINTEXT/,
  )
})

test('what has another cause is left as it is', () => {
  const message = 'connect ECONNREFUSED 127.0.0.1:1'
  assert.equal(explainFirstContact(failed(message, { code: 'ECONNREFUSED' }), SASL).message, message)
})

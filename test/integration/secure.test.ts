import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { startPipeline } from '../../pipeline/main.ts'
import { query, servers, until } from '../harness.ts'
import { apiProcess } from '../support/api-process.ts'
import { withoutOpenssl } from '../support/certificates.ts'
import { pipelineProcess } from '../support/pipeline-process.ts'
import { API_KEY, type Env, startSecureWorld } from '../support/secure-world.ts'
import { simulated } from '../support/simulated.ts'
import { quiet, readTopic, sendMessages, sendTransactions, withAdmin } from '../support/topics.ts'

/**
 * The way of the data as a bank would set it up: SASL_SSL with ACLs, the registry behind https with a user, PostgreSQL with
 * verify-full, and production's rules. And every way to be refused, with what the user reads.
 */

const NO_USER: Env = { KAFKA_SASL_USERNAME: '', KAFKA_SASL_PASSWORD: '' }

test('with TLS, users and rights everywhere', { skip: withoutOpenssl }, async (t) => {
  const { stranger, certificate, kafka, registry, databaseUrl, envOf, settingsOf } = await startSecureWorld(t)
  const running = pipelineProcess(t, settingsOf('fraud_detector'))
  const stored = async () =>
    (await query<{ n: number }>(databaseUrl(), 'SELECT count(*) AS n FROM transactions'))[0].n
  let sent = 0

  async function send(count: number): Promise<void> {
    await sendTransactions(settingsOf('producer', { REGISTER_SCHEMAS: 'true' }), simulated(count, 900 + sent))
    sent += count
    await until(async () => (await stored()) === sent, { seconds: 30, what: `${sent} rows` }).catch(
      (error) => {
        throw new Error(`${error.message}; the pipeline wrote: ${running.errors}`)
      },
    )
  }

  await t.test(
    'what is sent over SASL_SSL is stored over verify-full, in production, with the documented rights',
    async () => {
      await send(300)
      const connections = await query<{ ssl: boolean }>(
        databaseUrl(),
        `SELECT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE application_name LIKE 'weir-pipeline%'`,
      )
      assert.ok(connections.length > 0)
      assert.ok(connections.every(({ ssl }) => ssl))
    },
  )

  await t.test('a record that is no transaction is a dead letter, which the operator may read', async () => {
    await sendMessages(settingsOf('producer'), [{ key: 'x', value: Buffer.from('no transaction') }])
    const operator = settingsOf('fraud_operator')
    await until(
      async () =>
        (await withAdmin(operator, (a) => a.fetchTopicOffsets(operator.DEAD_LETTER_TOPIC))).some(
          (o) => o.high !== '0',
        ),
      { seconds: 15, what: 'the dead letter' },
    )
    const [letter] = await readTopic(settingsOf('admin'), operator.DEAD_LETTER_TOPIC)
    assert.equal(String(letter.headers!['weir-code']), 'NOT_FRAMED')
  })

  await t.test('the API reads over verify-full and serves the account', async (t) => {
    const api = await apiProcess(t, envOf('fraud_detector'))
    const [{ account_id }] = simulated(1, 900)
    const response = await fetch(`${api.url}/api/v1/accounts/${account_id}/transactions`, {
      headers: { 'X-API-Key': API_KEY },
    })
    assert.equal(response.status, 200)
    assert.notEqual(((await response.json()) as { data: unknown[] }).data.length, 0)
    assert.doesNotMatch(api.output, /sslrootcert|password/)
  })

  /** What a pipeline that is started so ends with; one that runs would be a failure. */
  async function refusal(user: string, more: Env): Promise<string> {
    try {
      const pipeline = await startPipeline(settingsOf(user, more), quiet)
      const limit = sleep(30_000, undefined, { ref: false })
      await Promise.race([pipeline.done, limit]).finally(() => pipeline.stop().catch(() => {}))
    } catch (error) {
      return (error as Error).message
    }
    return 'it ran'
  }

  async function refusesEach(cases: [user: string, more: Env, expected: RegExp][]): Promise<void> {
    const told = await Promise.all(cases.map(([user, more]) => refusal(user, more)))
    for (const [i, [, , expected]] of cases.entries()) assert.match(told[i], expected)
  }

  await t.test(
    'a broker that cannot be trusted, or speaks otherwise, is refused with the setting to look at',
    async () => {
      const port = kafka.access('fraud_detector').KAFKA_BROKERS!.split(':')[1]
      const plain = servers().KAFKA_BROKERS.join(',')
      await refusesEach([
        [
          'fraud_detector',
          { KAFKA_SSL_CA_FILE: stranger.ca },
          /signed by nobody that we trust: KAFKA_SSL_CA_FILE must name/,
        ],
        ['fraud_detector', { KAFKA_BROKERS: `localhost:${port}` }, /localhost.*was not made for this name/s],
        ['fraud_detector', { KAFKA_BROKERS: plain }, /hung up.*KAFKA_SECURITY_PROTOCOL=SASL_SSL/],
        [
          'fraud_detector',
          { KAFKA_SECURITY_PROTOCOL: 'SASL_PLAINTEXT', KAFKA_SSL_CA_FILE: '' },
          /hung up.*KAFKA_SECURITY_PROTOCOL=SASL_PLAINTEXT/,
        ],
        [
          'fraud_detector',
          { KAFKA_BROKERS: kafka.mutualAddress, KAFKA_SECURITY_PROTOCOL: 'SSL', ...NO_USER },
          /see KAFKA_SSL_CERT_FILE and KAFKA_SSL_KEY_FILE/,
        ],
      ])
    },
  )

  await t.test('a user whom Kafka does not know, or who lacks a right, is told so', async () => {
    await refusesEach([
      [
        'fraud_detector',
        { KAFKA_SASL_PASSWORD: 'another-one' },
        /cannot be used.*Kafka refuses User:fraud_detector: are KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD right/s,
      ],
      ['fraud_detector', { KAFKA_SASL_MECHANISM: 'PLAIN' }, /does not take PLAIN: set KAFKA_SASL_MECHANISM/],
      ['stranger', {}, /User:stranger lacks a right to a topic .*kafka-acls/],
      ['mute', {}, /User:mute lacks a right to a topic/],
      ['groupless', {}, /User:groupless lacks a right to the group \(KAFKA_GROUP_ID/],
    ])
    await assert.rejects(
      sendTransactions(settingsOf('stranger', { REGISTER_SCHEMAS: 'true' }), simulated(1, 1)),
      /the topic transactions does not exist.*may not WRITE or DESCRIBE/s,
    )
  })

  await t.test('a client is known by its certificate, too', async () => {
    const { cert, key } = certificate
    const more = {
      KAFKA_BROKERS: kafka.mutualAddress,
      KAFKA_SECURITY_PROTOCOL: 'SSL',
      KAFKA_SSL_CERT_FILE: cert,
      KAFKA_SSL_KEY_FILE: key,
      ...NO_USER,
    }
    const offsets = await withAdmin(settingsOf('nobody', more), (admin) =>
      admin.fetchTopicOffsets('transactions'),
    )
    assert.ok(offsets.some(({ high }) => Number(high) > 0))
  })

  await t.test(
    'a registry that refuses us or cannot be trusted is told at the start, by the pipeline and by produce',
    async () => {
      const url = new URL(registry.SCHEMA_REGISTRY_URL!)
      url.hostname = 'localhost'
      await refusesEach([
        [
          'fraud_detector',
          { SCHEMA_REGISTRY_PASSWORD: 'another-one' },
          /401\. The schema registry refuses weir-registry/,
        ],
        [
          'fraud_detector',
          { SCHEMA_REGISTRY_USERNAME: '', SCHEMA_REGISTRY_PASSWORD: '' },
          /asks for a user: set SCHEMA_REGISTRY_USERNAME/,
        ],
        ['fraud_detector', { SCHEMA_REGISTRY_CA_FILE: stranger.ca }, /SCHEMA_REGISTRY_CA_FILE must name/],
        ['fraud_detector', { SCHEMA_REGISTRY_URL: url.href }, /was not made for this name/],
      ])
      for (const [more, expected] of [
        [{ SCHEMA_REGISTRY_PASSWORD: 'another-one' }, /no schema for the topic.*refuses weir-registry/s],
        [
          { SCHEMA_REGISTRY_CA_FILE: stranger.ca },
          /no schema for the topic.*SCHEMA_REGISTRY_CA_FILE must name/s,
        ],
      ] as const)
        await assert.rejects(sendTransactions(settingsOf('producer', more), simulated(1, 1)), expected)
    },
  )

  await t.test('the registry’s user may stand in its URL, and is in no message', async () => {
    const { SCHEMA_REGISTRY_USERNAME, SCHEMA_REGISTRY_PASSWORD, SCHEMA_REGISTRY_URL } = registry
    const url = new URL(SCHEMA_REGISTRY_URL!)
    url.username = encodeURIComponent(SCHEMA_REGISTRY_USERNAME!)
    url.password = encodeURIComponent(SCHEMA_REGISTRY_PASSWORD!)
    const inUrl = {
      SCHEMA_REGISTRY_URL: url.href,
      SCHEMA_REGISTRY_USERNAME: '',
      SCHEMA_REGISTRY_PASSWORD: '',
    }
    await sendTransactions(settingsOf('producer', inUrl), [])
    url.password = 'the-canary'
    const told = await refusal('fraud_detector', { ...inUrl, SCHEMA_REGISTRY_URL: url.href })
    assert.match(told, /refuses weir-registry/)
    assert.doesNotMatch(told, /the-canary/)
  })

  await t.test(
    'a process that has no right, or no usable file, ends with a sentence and no secret',
    async (t) => {
      const processes = [
        pipelineProcess(t, settingsOf('stranger')),
        pipelineProcess(t, settingsOf('fraud_detector', { KAFKA_SSL_CA_FILE: '/nowhere/ca.pem' })),
      ]
      assert.deepEqual(await Promise.all(processes.map((p) => p.ended())), [1, 2])
      assert.match(processes[0].errors, /User:stranger lacks a right to a topic/)
      assert.match(processes[1].errors, /KAFKA_SSL_CA_FILE: \/nowhere\/ca\.pem is not there/)
      const secrets = [new URL(databaseUrl()).password, kafka.access('stranger').KAFKA_SASL_PASSWORD!]
      for (const { errors } of processes)
        for (const secret of secrets) assert.ok(!errors.includes(secret), 'no secret is told')
    },
  )

  await t.test(
    'the pipeline that ran all the while, whose logins were renewed, stores what is sent now',
    async () => {
      await sleep(Math.max(0, 12_000 - process.uptime() * 1000)) // longer than a login lasts
      await send(100)
      // Before the end, which may cut a connection off that is just being made.
      assert.doesNotMatch(running.errors, /"level":"(error|fatal)"/)
      running.signal('SIGTERM')
      assert.equal(await running.ended(), 0, running.errors)
    },
  )
})

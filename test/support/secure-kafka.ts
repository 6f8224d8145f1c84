import { randomBytes } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { findPrograms } from '../../deploy/local/download.ts'
import { withFreePorts } from '../../deploy/local/free-ports.ts'
import { Guardian } from '../../deploy/local/guardian-client.ts'
import { findJava } from '../../deploy/local/java.ts'
import { brokerAnswers, kafkaJob } from '../../deploy/local/kafka.ts'
import { untilReady } from '../../deploy/local/ready.ts'
import { cacheDirectory } from '../../schemas/cache-directory.ts'
import { loadSettings, type Name } from '../../schemas/settings.ts'
import type { Scope } from '../harness.ts'
import type { Authority, Certificate } from './certificates.ts'

/** A real Kafka as a bank would run it: TLS everywhere, users, and nothing allowed that no ACL allows. */
export interface SecureKafka {
  /** Settings for the listener with users; `admin` may do all, whom no ACL names nothing. */
  access(user: string): Partial<Record<Name, string>>
  /** host:port of the listener that knows its clients by their certificates alone. */
  mutualAddress: string
}

/** So long a login lasts. kafkajs renews it from 10 s before on, so with each request after a second. */
const LOGIN_MS = 11_000

/**
 * Starts one, which ends with the test. Its certificate is for 127.0.0.1, and for no name.
 * @param users who can log in, by SCRAM-SHA-512; `admin` can, too
 */
export async function startSecureKafka(
  t: Scope,
  authority: Authority,
  users: string[],
): Promise<SecureKafka> {
  const guardian = await Guardian.start(null)
  t.after(() => guardian.close())
  const directory = join(guardian.directory, 'kafka')
  mkdirSync(join(directory, 'tmp'), { recursive: true, mode: 0o700 })
  const passwords = new Map(['admin', ...users].map((user) => [user, randomBytes(18).toString('base64url')]))
  writeFileSync(join(directory, 'broker.pem'), bothOf(authority.issue('broker', 'IP:127.0.0.1')), {
    mode: 0o600,
  })
  const programs = await programsOf()
  return withFreePorts(3, undefined, async (ports) => {
    writeFileSync(join(directory, 'server.properties'), properties(directory, authority, ports))
    const tool = [
      'kafka.tools.StorageTool',
      'format',
      '-t',
      'wSecureKafkaForTestsAA',
      '-c',
      'server.properties',
    ]
    for (const [user, password] of passwords)
      tool.push('--add-scram', `SCRAM-SHA-512=[name=${user},password=${password}]`)
    await guardian.run(kafkaJob(programs, directory, 'format.log', ['-XX:TieredStopAtLevel=1'], tool))
    const main = ['kafka.Kafka', 'server.properties']
    const server = await guardian.spawn(kafkaJob(programs, directory, 'kafka.log', ['-Xmx384m'], main))
    const access = (user: string) => ({
      KAFKA_BROKERS: `127.0.0.1:${ports[0]}`,
      KAFKA_SECURITY_PROTOCOL: 'SASL_SSL',
      KAFKA_SASL_USERNAME: user,
      KAFKA_SASL_PASSWORD: passwords.get(user),
      KAFKA_SSL_CA_FILE: authority.ca,
    })
    const admin = loadSettings(['KAFKA_BROKERS'], access('admin'))
    await untilReady('Kafka', server, join(directory, 'kafka.log'), 60, () => brokerAnswers(admin))
    return { access, mutualAddress: `127.0.0.1:${ports[1]}` }
  })
}

async function programsOf(): Promise<{ java: string; jars: string }> {
  const java = await findJava()
  const programs = findPrograms(resolve(cacheDirectory(loadSettings([], process.env).WEIR_CACHE_DIR)))
  if (!('command' in java) || programs === null)
    throw new Error('the tests’ own Kafka was started before this one')
  return { java: java.command, jars: programs.kafka }
}

/** Kafka takes key and certificate from one PEM file. */
const bothOf = ({ cert, key }: Certificate): string => readFileSync(key, 'utf8') + readFileSync(cert, 'utf8')

function properties(directory: string, { ca }: Authority, [users, mutual, controller]: number[]): string {
  const settings = {
    'process.roles': 'broker,controller',
    'node.id': 1,
    'controller.quorum.voters': `1@127.0.0.1:${controller}`,
    listeners: `USERS://127.0.0.1:${users},MUTUAL://127.0.0.1:${mutual},CONTROLLER://127.0.0.1:${controller}`,
    'advertised.listeners': `USERS://127.0.0.1:${users},MUTUAL://127.0.0.1:${mutual}`,
    'listener.security.protocol.map': 'USERS:SASL_SSL,MUTUAL:SSL,CONTROLLER:SSL',
    'controller.listener.names': 'CONTROLLER',
    'inter.broker.listener.name': 'MUTUAL',
    'ssl.keystore.type': 'PEM',
    'ssl.keystore.location': join(directory, 'broker.pem'),
    'ssl.truststore.type': 'PEM',
    'ssl.truststore.location': ca,
    'ssl.client.auth': 'required',
    'listener.name.users.ssl.client.auth': 'none',
    // CN=broker is User:broker.
    'ssl.principal.mapping.rules': 'RULE:^CN=([^,]+)$/$1/,DEFAULT',
    'listener.name.users.sasl.enabled.mechanisms': 'SCRAM-SHA-512',
    'listener.name.users.scram-sha-512.sasl.jaas.config':
      'org.apache.kafka.common.security.scram.ScramLoginModule required;',
    'listener.name.users.scram-sha-512.connections.max.reauth.ms': LOGIN_MS,
    'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
    'super.users': 'User:broker;User:admin',
    'log.dirs': join(directory, 'data'),
    'auto.create.topics.enable': false,
    'offsets.topic.replication.factor': 1,
    'offsets.topic.num.partitions': 2,
    'transaction.state.log.replication.factor': 1,
    'transaction.state.log.min.isr': 1,
    'group.initial.rebalance.delay.ms': 0,
    'log.retention.ms': -1,
  }
  return Object.entries(settings)
    .map(([name, value]) => `${name}=${value}\n`)
    .join('')
}

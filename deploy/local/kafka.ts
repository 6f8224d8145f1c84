import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { createKafka } from '../../schemas/kafka.ts'
import type { KafkaAccess } from '../../schemas/kafka-access.ts'
import { createLogger } from '../../schemas/log.ts'
import { withFreePorts } from './free-ports.ts'
import type { Guardian, Job } from './guardian-client.ts'
import { javaEnvironment } from './java.ts'
import { untilReady } from './ready.ts'

const START_SECONDS = 60
const PROPERTIES = 'server.properties'

/** A broker that tests can end and start again on its port. */
export interface KafkaServer {
  address: string
  ports: number[]
  readonly pid: number
  kill(signal: NodeJS.Signals): Promise<void>
  start(): Promise<void>
}

/** Starts Kafka: one node that is broker and controller, on loopback. */
export async function startKafka(options: {
  guardian: Guardian
  java: string
  jars: string
  ports: number[] | undefined
  onEnd: (how: string) => void
}): Promise<KafkaServer> {
  const directory = join(options.guardian.directory, 'kafka')
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  mkdirSync(join(directory, 'tmp'), { recursive: true })
  return withFreePorts(2, options.ports, async (ports) => {
    const data = join(directory, 'data')
    if (!existsSync(data)) await format(options, directory, data, ports)
    writeFileSync(join(directory, PROPERTIES), properties(data, ports))
    return run(options, directory, ports)
  })
}

function properties(data: string, [port, controllerPort]: number[]): string {
  const settings = {
    'process.roles': 'broker,controller',
    'node.id': 1,
    // A static quorum takes the controller's address from here at every start; a dynamic one would remember the
    // port of the first.
    'controller.quorum.voters': `1@127.0.0.1:${controllerPort}`,
    listeners: `PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort}`,
    'controller.listener.names': 'CONTROLLER',
    'listener.security.protocol.map': 'CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT',
    'log.dirs': data,
    'auto.create.topics.enable': false,
    'num.partitions': 6,
    'offsets.topic.replication.factor': 1,
    'offsets.topic.num.partitions': 5,
    'transaction.state.log.replication.factor': 1,
    'transaction.state.log.min.isr': 1,
    'group.initial.rebalance.delay.ms': 0,
    // A broker that was killed may register again once its last session is over; by default that takes 9 s.
    'broker.session.timeout.ms': 3000,
    'broker.heartbeat.interval.ms': 500,
    // Sample traffic may be years old by its own timestamps, and Kafka deletes by these.
    'log.retention.ms': -1,
  }
  return Object.entries(settings)
    .map(([name, value]) => `${name}=${value}\n`)
    .join('')
}

type Options = Parameters<typeof startKafka>[0]

/** A process of Kafka's: the broker, or one of its tools. */
export const kafkaJob = (
  options: Pick<Options, 'java' | 'jars'>,
  directory: string,
  log: string,
  flags: string[],
  main: string[],
): Job => ({
  command: options.java,
  args: [
    ...flags,
    '-XX:-UsePerfData',
    `-Djava.io.tmpdir=${join(directory, 'tmp')}`,
    '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn',
    '-Dorg.slf4j.simpleLogger.showDateTime=true',
    '-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd HH:mm:ss.SSS',
    '-cp',
    join(options.jars, '*'),
    ...main,
  ],
  env: javaEnvironment(),
  cwd: directory,
  log: join(directory, log),
  stop: ['SIGTERM', 'SIGKILL'],
})

/** Beside its place first: a format that was cut short must not be taken for one. */
async function format(options: Options, directory: string, data: string, ports: number[]): Promise<void> {
  const unfinished = `${data}.unfinished`
  rmSync(unfinished, { recursive: true, force: true })
  writeFileSync(join(directory, PROPERTIES), properties(unfinished, ports))
  // One that begins with a dash would be taken for an option.
  const clusterId = `w${randomBytes(16).toString('base64url').slice(1)}`
  const main = ['kafka.tools.StorageTool', 'format', '-t', clusterId, '-c', join(directory, PROPERTIES)]
  await options.guardian.run(
    kafkaJob(options, directory, 'format.log', ['-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC'], main),
  )
  renameSync(unfinished, data)
}

async function run(options: Options, directory: string, ports: number[]): Promise<KafkaServer> {
  const log = join(directory, 'kafka.log')
  const flags = ['-Xms256m', '-Xmx512m', '-XX:MaxGCPauseMillis=20', '-XX:InitiatingHeapOccupancyPercent=35']
  const main = ['kafka.Kafka', join(directory, PROPERTIES)]
  const address = `127.0.0.1:${ports[0]}`
  const launch = async () => {
    const started = await options.guardian.spawn(kafkaJob(options, directory, 'kafka.log', flags, main))
    await untilReady('Kafka', started, log, START_SECONDS, () => brokerAnswers({ KAFKA_BROKERS: [address] }))
    void started.exited.then(({ how }) => options.onEnd(how))
    return started
  }
  let server = await launch()
  return {
    address,
    ports,
    get pid() {
      return server.pid
    },
    async kill(signal) {
      server.signal(signal)
      await server.exited
    },
    async start() {
      server = await launch()
    },
  }
}

/** The port first: kafkajs waits longer and longer between its own tries. */
export async function brokerAnswers(access: KafkaAccess): Promise<void> {
  const [host, port] = access.KAFKA_BROKERS[0].split(':')
  await new Promise<void>((done, fail) => {
    const socket = connect(Number(port), host, () => {
      socket.destroy()
      done()
    })
    socket.once('error', fail)
  })
  const admin = createKafka(access, 'weir-local', createLogger('local', 'silent')).admin()
  try {
    await admin.connect()
    const { brokers } = await admin.describeCluster()
    if (brokers.length === 0) throw new Error('the broker has not joined yet')
  } finally {
    await admin.disconnect()
  }
}

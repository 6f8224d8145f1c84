import net from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import tls from 'node:tls'
import { promisify } from 'node:util'
import { zstdCompress, zstdDecompress } from 'node:zlib'
import kafkajs, { type Admin, type ITopicConfig, type Kafka, type logLevel } from 'kafkajs'
import { type KafkaAccess, saslOf, tlsFilesOf } from './kafka-access.ts'
import './kafkajs-mends.ts'
import './kafkajs-records.ts'
import type { Logger } from './log.ts'
import type { Settings } from './settings.ts'
import { readTlsFiles, type TlsFiles } from './tls-files.ts'

// Node has zstd itself; kafkajs knows the codec's number and leaves the code to the user.
kafkajs.CompressionCodecs[kafkajs.CompressionTypes.ZSTD] = () => ({
  compress: (encoder: { buffer: Buffer }) => promisify(zstdCompress)(encoder.buffer),
  decompress: (buffer: Buffer) => promisify(zstdDecompress)(buffer),
})

/** Whatever goes wrong is tried again after 2 s at most. Given in full: kafkajs' own values depend on NODE_ENV. */
const RETRY = { initialRetryTime: 300, multiplier: 2, factor: 0.2, maxRetryTime: 2000, retries: 5 }

/**
 * The one place that makes kafkajs clients: it is unmaintained, so what it lacks is added here.
 * @throws SettingsError when a file of certificates cannot be used
 */
export function createKafka(access: KafkaAccess, clientId: string, log: Logger): Kafka {
  const files = tlsFilesOf(access)
  if (files !== undefined) readTlsFiles(files)
  return new kafkajs.Kafka({
    brokers: access.KAFKA_BROKERS,
    clientId,
    connectionTimeout: 5000,
    retry: RETRY,
    ssl: files !== undefined,
    sasl: saslOf(access),
    // Requests are written whole: Nagle's algorithm would only hold back the end of each.
    socketFactory: ({ host, port, onConnect }) => {
      const socket = files ? connectTls(host, port, files, onConnect) : net.connect({ host, port }, onConnect)
      return socket.setNoDelay(true).setKeepAlive(true, 60_000)
    },
    logLevel: kafkajs.logLevel.WARN,
    logCreator: () => (entry) => {
      const { message, logger: _l, timestamp: _t, stack: _s, ...rest } = entry.log
      // A refused response is retried or thrown: whoever gives up on it says so.
      const level = message.startsWith('Response ') ? 'debug' : pinoLevel(entry.level)
      log[level]({ kafka: rest }, `kafkajs: ${message}`)
    },
  })
}

/** With the certificates of this moment. A name is for names: RFC 6066 has no addresses in it. */
function connectTls(host: string, port: number, files: TlsFiles, onConnect: () => void): tls.TLSSocket {
  const servername = net.isIP(host) === 0 ? host : undefined
  return tls.connect({ host, port, servername, ...readTlsFiles(files) }, onConnect)
}

function pinoLevel(level: logLevel): 'error' | 'warn' | 'info' | 'debug' {
  if (level === kafkajs.logLevel.ERROR) return 'error'
  if (level === kafkajs.logLevel.WARN) return 'warn'
  return level === kafkajs.logLevel.INFO ? 'info' : 'debug'
}

/** The dead-letter topic must take any value that the transactions topic took, with headers on top. */
const DEAD_LETTER_MAX_BYTES = 12 * 1024 * 1024

/** Makes the topics that are missing. */
export async function createTopics(admin: Admin, settings: Settings): Promise<void> {
  const existing = new Set(await admin.listTopics())
  const wanted: ITopicConfig[] = [
    { topic: settings.TRANSACTIONS_TOPIC, numPartitions: settings.TOPIC_PARTITIONS },
    {
      topic: settings.DEAD_LETTER_TOPIC,
      numPartitions: settings.TOPIC_PARTITIONS,
      configEntries: [
        { name: 'cleanup.policy', value: 'delete' },
        { name: 'max.message.bytes', value: String(DEAD_LETTER_MAX_BYTES) },
      ],
    },
    { topic: settings.LABELS_TOPIC, numPartitions: settings.TOPIC_PARTITIONS },
  ]
  const topics = wanted.filter((t) => !existing.has(t.topic))
  if (topics.length === 0) return
  await admin.createTopics({ topics, waitForLeaders: false })
  await untilLed(
    admin,
    topics.map((t) => t.topic),
  )
}

const LEADER_SECONDS = 15

/** kafkajs' own wait fails when a broker has not heard of the topic yet (its issues 815 and 1222). */
async function untilLed(admin: Admin, names: string[]): Promise<void> {
  for (const deadline = Date.now() + LEADER_SECONDS * 1000; ; ) {
    try {
      const { topics } = await admin.fetchTopicMetadata({ topics: names })
      if (topics.every((t) => t.partitions.every((p) => p.leader >= 0))) return
    } catch (error) {
      if (Date.now() > deadline) throw error
    }
    if (Date.now() > deadline) throw new Error(`topics without a leader after ${LEADER_SECONDS} s: ${names}`)
    await sleep(100)
  }
}

import type { Admin, Kafka } from 'kafkajs'
import { interruptibly } from '../../schemas/interruptibly.ts'
import { createKafka } from '../../schemas/kafka.ts'
import { explainFirstContact } from '../../schemas/kafka-advice.ts'
import { createLogger, type Logger } from '../../schemas/log.ts'
import { counted } from '../../schemas/printable.ts'
import type { Needed } from '../../schemas/settings.ts'
import { createProgressLine } from '../produce/progress-line.ts'
import { type Entry, entriesOf } from './entries.ts'
import { type Letter, readLetter } from './letter.ts'
import { countOf, currentRanges, type OnRecord, type Ranges, readTopic, type Topic } from './read-topic.ts'

/** What a command works with. */
export interface Session {
  settings: Needed<'KAFKA_BROKERS'>
  kafka: Kafka
  admin: Admin
  log: Logger
  /** Aborted by the first Ctrl-C or SIGTERM. */
  signal: AbortSignal
}

/**
 * Runs a command's work with a connection to Kafka. The first Ctrl-C ends it in good order within SHUTDOWN_SECONDS,
 * after which, or with a second one, the process ends at once.
 * @throws when Kafka cannot be reached, or what the work throws
 */
export const withSession = (
  settings: Session['settings'],
  work: (session: Session) => Promise<void>,
): Promise<void> => interruptibly((signal) => connected(settings, signal, work), settings.SHUTDOWN_SECONDS)

async function connected(
  settings: Session['settings'],
  signal: AbortSignal,
  work: (session: Session) => Promise<void>,
): Promise<void> {
  const logger = createLogger('dead-letters', settings.LOG_LEVEL)
  // kafkajs warns that an idempotent producer should try for ever; but a command must end at some time.
  const log = logger.isLevelEnabled('warn') ? logger.child({}, { level: 'error' }) : logger
  const kafka = createKafka(settings, 'weir-dead-letters', log)
  const admin = kafka.admin()
  try {
    await admin.connect().catch((cause: Error) => {
      const where = settings.KAFKA_BROKERS.join(',')
      throw new Error(`cannot reach Kafka at KAFKA_BROKERS ${where}: ${cause.message}`, { cause })
    })
    await work({ settings, kafka, admin, log, signal })
  } catch (error) {
    throw explainFirstContact(error as Error, settings)
  } finally {
    await admin.disconnect()
  }
}

/** Every record that was rejected, as the dead-letter topic tells it at this moment. */
export async function readEntries(session: Session): Promise<Entry[]> {
  const letters: Letter[] = []
  let foreign = 0
  await readLetters(session, await currentRanges(topicOf(session)), (partition, message) => {
    const letter = readLetter(partition, message)
    if (letter === undefined) foreign++
    else letters.push(letter)
  })
  if (foreign > 0) {
    const topic = session.settings.DEAD_LETTER_TOPIC
    console.error(`warning: ${counted(foreign, 'record')} of ${topic} left out: without Weir's headers`)
  }
  return entriesOf(letters)
}

/** Reads a part of the dead-letter topic, and shows how far it is. */
export async function readLetters(session: Session, ranges: Ranges, onRecord: OnRecord): Promise<void> {
  const total = countOf(ranges)
  const progress = createProgressLine(process.stderr, `of ${total.toLocaleString('en-US')} records read`)
  let read = 0
  try {
    await readTopic(topicOf(session), ranges, (partition, message) => {
      progress.update(++read, read / total)
      return onRecord(partition, message)
    })
  } finally {
    progress.stop()
  }
}

const topicOf = ({ settings, kafka, admin, log, signal }: Session): Topic => ({
  kafka,
  admin,
  log,
  topic: settings.DEAD_LETTER_TOPIC,
  groupPrefix: settings.KAFKA_GROUP_ID,
  signal,
})

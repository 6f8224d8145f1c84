import { createKafka } from '../../schemas/kafka.ts'
import type { Logger } from '../../schemas/log.ts'
import type { Needed } from '../../schemas/settings.ts'

/**
 * Lets the topic's labels be read again from its beginning, by the next pipeline that starts: after the database was set
 * back. Those that are stored already change nothing.
 * @returns how many there are to be read
 * @throws while a pipeline is a member of the group
 */
export async function rewindLabels(settings: Needed<'KAFKA_BROKERS'>, log: Logger): Promise<number> {
  const { LABELS_TOPIC: topic, KAFKA_GROUP_ID } = settings
  const admin = createKafka(settings, 'weir-labels', log).admin()
  await admin.connect()
  try {
    const ranges = await admin.fetchTopicOffsets(topic)
    const partitions = ranges.map(({ partition, low }) => ({ partition, offset: low }))
    await admin
      .setOffsets({ groupId: `${KAFKA_GROUP_ID}-labels`, topic, partitions })
      .catch((cause: Error) => {
        if (!/no running instances/.test(cause.message)) throw cause
        throw new Error(
          `a pipeline reads the topic ${topic}: stop all of them first. Of one that was killed Kafka knows after ` +
            `${settings.KAFKA_SESSION_TIMEOUT_MS / 1000} s.`,
          { cause },
        )
      })
    return ranges.reduce((sum, { low, high }) => sum + Number(high) - Number(low), 0)
  } finally {
    await admin.disconnect()
  }
}

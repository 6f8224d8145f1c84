import { take } from '../pipeline/produce/batch.ts'
import { produce } from '../pipeline/produce/produce.ts'
import { kafkaSink } from '../pipeline/produce/sink.ts'
import { createLogger } from '../schemas/log.ts'
import type { Transaction } from '../schemas/transaction.ts'
import type { Ground } from './ground.ts'

/** Sends the first of the transactions to the topic, and checks that they are all there. */
export async function fillTopic(
  ground: Ground,
  transactions: Iterator<Transaction>,
  { records, progress, signal }: { records: number; progress: (line: string) => void; signal: AbortSignal },
): Promise<void> {
  progress(`Producing ${records.toLocaleString('en-US')} transactions ...`)
  const sink = await kafkaSink({ settings: ground.settings, log: createLogger('bench', 'silent') })
  try {
    const { seconds } = await produce(take(transactions, records), sink, { signal })
    signal.throwIfAborted()
    progress(`Produced at ${Math.round(records / seconds).toLocaleString('en-US')} a second.`)
  } finally {
    await sink.close()
  }
  const found = await ground.topicRecords()
  if (found !== records) throw new Error(`the topic holds ${found} records after ${records} were produced`)
}

import { loadSettings } from '../schemas/settings.ts'
import { type Transaction, transactionType } from '../schemas/transaction.ts'
import { FRAME_BYTES } from '../schemas/wire.ts'
import { consumeAll } from './consume.ts'

/**
 * A process of its own that only fetches and decodes: the ceiling that kafkajs and avsc set for any pipeline on them.
 * Tells its parent what it counted.
 */

export interface DecodeOnlyResult {
  decoded: number
  seconds: number
}

const settings = loadSettings(['KAFKA_BROKERS'])
let decoded = 0
const seconds = await consumeAll({
  kafka: settings,
  topic: settings.TRANSACTIONS_TOPIC,
  records: Number(process.argv[2]),
  onBatch(_partition, messages) {
    for (const { value } of messages) {
      const { value: transaction, offset } = transactionType.decode(value!, FRAME_BYTES)
      if (offset === value!.length && (transaction as Transaction).amount >= 0) decoded++
    }
  },
})
process.send!({ decoded, seconds } satisfies DecodeOnlyResult)

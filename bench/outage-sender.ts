import { paced } from '../pipeline/produce/paced.ts'
import { produce } from '../pipeline/produce/produce.ts'
import { kafkaSink } from '../pipeline/produce/sink.ts'
import { createLogger } from '../schemas/log.ts'
import { loadSettings } from '../schemas/settings.ts'
import { transactions } from './workload.ts'

/**
 * A process of its own that generates, encodes and sends, so that none of it happens in what is measured or looks at it.
 * Tells its parent that it is ready, then what became of each order.
 */

export interface Order {
  records: number
  /** Records a second, unless Kafka's acknowledgements are slower. */
  rate: number
}

export interface Sent {
  acknowledged: number
  seconds: number
}

const [records, accounts, seed] = process.argv.slice(2).map(Number)
const settings = loadSettings(['KAFKA_BROKERS', 'SCHEMA_REGISTRY_URL'])
const stream = transactions({ records, accounts, ids: 'sequential' }, seed)
const sink = await kafkaSink({ settings, log: createLogger('bench', 'silent') })

process.on('message', async ({ records, rate }: Order) => {
  const { produced, seconds } = await produce(paced(stream, { rate, seconds: records / rate }), sink)
  process.send!({ acknowledged: produced, seconds } satisfies Sent)
})
process.send!({ ready: true })

import { createBatch, createOwnership } from '../../pipeline/batch.ts'
import { AccountStates } from '../../pipeline/features/account-states.ts'
import { decode } from '../../pipeline/stages/decode.ts'
import { computeFeatures } from '../../pipeline/stages/features.ts'
import { CopyEncoder } from '../../pipeline/store/copy-encoder.ts'
import { contentOf, identity } from '../../pipeline/store/sql.ts'
import { parseCopy, type Row } from '../support/copy-parser.ts'
import { digestsOf } from '../support/state-digest.ts'
import { registryOf, writersOf } from '../support/writers.ts'
import { entryKey } from './database.ts'
import { rules, scoreBatch, sensitiveModel } from './judge.ts'
import { type Entry, REFUSED, TOPIC } from './records.ts'
import { withVirtualTime } from './virtual-time.ts'

/** What should become of a record: its row, or the code for which it is left out. */
export type Fate = Row | string

interface QuietDay {
  /** By {@link entryKey}. */
  fates: Map<string, Fate>
  /** Each partition's digests of its accounts' states at the end. */
  states: ReadonlyMap<string, string>[]
}

/** Each record by itself, in order, with nothing that could go wrong: what every other run must come to. */
export async function quietDay(topic: Entry[][], latenessMs: number): Promise<QuietDay> {
  const fates: QuietDay['fates'] = new Map()
  const states: QuietDay['states'] = []
  const decodeBatch = decode(writersOf(registryOf()))
  const encoder = new CopyEncoder(rules.version, sensitiveModel.version)
  await withVirtualTime(null, async () => {
    for (const [partition, entries] of topic.entries()) {
      const owner = createOwnership(TOPIC, partition, 0, new AccountStates(latenessMs))
      const first = new Map<string, string>()
      for (const { isControl, ...record } of entries) {
        if (isControl) continue
        const batch = await decodeBatch(createBatch(owner, record.offset, record.offset + 1, [record]))
        const [tx] = batch.transactions
        const key = entryKey(partition, record.offset)
        if (tx === undefined) {
          fates.set(key, batch.rejects[0].code)
          continue
        }
        const id = identity(tx.transaction_id, tx.timestamp)
        const earlier = first.get(id)
        if (earlier !== undefined) fates.set(key, earlier === contentOf(tx) ? 'DUPLICATE' : 'CONFLICT')
        else if (tx.merchant_category === REFUSED) fates.set(key, 'CONSTRAINT')
        else {
          first.set(id, contentOf(tx))
          scoreBatch(computeFeatures(batch))
          owner.states.commit(batch.undo!)
          owner.judged.length = 0
          fates.set(key, parseCopy(Buffer.concat(encoder.encode([batch])))[0])
        }
      }
      states.push(await digestsOf(owner.states))
    }
  })
  return { fates, states }
}

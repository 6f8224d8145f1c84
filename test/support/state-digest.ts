import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import type pg from 'pg'
import { locationsAt, locationsOf } from '../../pipeline/features/account-block.ts'
import type { AccountRecord } from '../../pipeline/features/account-record.ts'
import type { AccountStates } from '../../pipeline/features/account-states.ts'
import { slabOf } from '../../pipeline/features/block-pool.ts'
import { EUROS } from '../../pipeline/features/rates.ts'
import { decodeStates } from '../../pipeline/features/state-codec.ts'
import type { PipelineSettings } from '../../pipeline/main.ts'
import { findCheckpoint } from '../../pipeline/store/checkpoints.ts'
import { takePartition } from '../../pipeline/store/ownerships.ts'
import { readHistory } from '../../pipeline/store/rebuild.ts'
import type { RecoverySession } from '../../pipeline/store/recovery.ts'
import { withClient } from '../../schemas/database.ts'
import type { Logger } from '../../schemas/log.ts'

/** `checkpoint`: the newest one, which holds what a process had in memory, and the rows since. `table`: all rows. */
type Origin = 'checkpoint' | 'table'

/**
 * The state of every account that a process would have if it took the topic's partitions now, as it would get it: so
 * where each partition has a checkpoint at its position, this is what the process that wrote it had in memory.
 * @returns a digest by "partition/account"
 * @throws when there is a checkpoint that cannot be read: a process would go on with the table, and nothing be compared
 */
export async function stateDigests(
  {
    DATABASE_URL,
    TRANSACTIONS_TOPIC: topic,
    ALLOWED_LATENESS,
  }: Pick<PipelineSettings, 'DATABASE_URL' | 'TRANSACTIONS_TOPIC' | 'ALLOWED_LATENESS'>,
  origin: Origin,
): Promise<Map<string, string>> {
  return withClient({ connectionString: DATABASE_URL, application_name: 'weir-test' }, async (client) => {
    const { rows } = await client.query<{ partition: number; next_offset: number }>(
      'SELECT partition, next_offset FROM positions WHERE topic = $1 ORDER BY partition',
      [topic],
    )
    const digests = new Map<string, string>()
    for (const { partition, next_offset: position } of rows) {
      const range = { low: 0, high: position, partitions: rows.length }
      const { states } = await takePartition(topic, partition, async () => range, {
        withRecovery: (use) => use(onlooker(client, position, origin)),
        latenessMs: ALLOWED_LATENESS * 3_600_000,
        rates: EUROS,
        laneOf: () => 'nobody',
        log: strict,
      })
      for (const [account, digest] of await digestsOf(states)) digests.set(`${partition}/${account}`, digest)
    }
    assert.ok(digests.size > 0, 'no accounts: nothing would be compared')
    return digests
  })
}

/** Reads what a process would read, and claims nothing. */
const onlooker = (client: pg.ClientBase, position: number, origin: Origin): RecoverySession => ({
  claimPosition: async () => ({ position, last: null }),
  findCheckpoint: async (of) => (origin === 'table' ? null : findCheckpoint(client, of)),
  readHistory: (partition, from) => readHistory(client, partition, from),
})

/** A process only warns of a checkpoint that it cannot read. */
const strict = {
  info() {},
  warn({ err }: { err: Error }) {
    throw err
  },
} as unknown as Logger

/**
 * A digest of each account's state, by its id: equal if, and but for a collision only if, all that is to come would get
 * the same features from both. The batches in flight are part of it; there must be no snapshot.
 */
export async function digestsOf(states: AccountStates): Promise<Map<string, string>> {
  const snapshot = states.snapshot([])
  const names: string[] = []
  const digests = new Map<string, string>()
  await decodeStates(
    copied(snapshot.pieces()),
    (name) => names.push(name),
    (account) => digests.set(account.id, digestOf(account, names)),
  )
  snapshot.release()
  return digests
}

/** Each piece is valid until the next one only. */
async function* copied(pieces: Iterable<Buffer>): AsyncGenerator<Buffer> {
  for (const piece of pieces) yield Buffer.from(piece)
}

/**
 * The block to the bit, with its places by name, since their numbers differ from run to run, and in the order that they
 * have, since it decides which one is forgotten.
 */
function digestOf({ id, block }: AccountRecord, names: string[]): string {
  const slab = slabOf(block)
  const places: string[] = []
  for (let i = 0; i < locationsOf(slab, 0); i++) {
    const at = 2 * (locationsAt(0) + 2 * i)
    places.push(names[slab.u32[at]])
    slab.u32[at] = i
  }
  return createHash('sha256')
    .update(JSON.stringify([id, places]))
    .update(new Uint8Array(block.buffer))
    .digest('hex')
}

/** Accounts whose state differs, or that only one of the two has. */
export function differingStates(
  states: ReadonlyMap<string, string>,
  others: ReadonlyMap<string, string>,
): string[] {
  return [...new Set([...states.keys(), ...others.keys()])].filter(
    (account) => states.get(account) !== others.get(account),
  )
}

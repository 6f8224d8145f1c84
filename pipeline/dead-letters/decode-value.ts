import { setTimeout as sleep } from 'node:timers/promises'
import type avro from 'avsc'
import type { Logger } from '../../schemas/log.ts'
import { isoTime } from '../../schemas/printable.ts'
import { createSchemaReader } from '../../schemas/registry.ts'
import type { RegistryAccess } from '../../schemas/registry-access.ts'
import { formatAmount, type Transaction, transactionType } from '../../schemas/transaction.ts'
import { FRAME_BYTES, MAGIC } from '../../schemas/wire.ts'
import { Writers } from '../decode/writers.ts'

/** What a dead letter's value reads as. */
export interface Decoded {
  /** With the amount as a decimal and the time in ISO 8601; null where it cannot be read. */
  transaction: Record<string, unknown> | null
  /** By which schema it was read, or why it was not. */
  note: string
}

const REGISTRY_MS = 5000

/** Reads a value as a transaction: by its writer's schema where the registry gives it, else by Weir's own. */
export async function decodeValue(
  value: Buffer | null,
  registry: RegistryAccess | undefined,
  log: Logger,
): Promise<Decoded> {
  if (value === null || value.length === 0) return { transaction: null, note: 'there is no value' }
  if (value.length < FRAME_BYTES || value[0] !== MAGIC)
    return { transaction: null, note: 'it does not start with a zero byte and a schema id' }
  const id = value.readUInt32BE(1)
  if (registry === undefined)
    return decodeAsOurs(value, `schema ${id} was not asked for: SCHEMA_REGISTRY_URL is not set`)
  let schema: avro.Type
  try {
    schema = await schemaOf(registry, id)
  } catch (error) {
    return decodeAsOurs(value, `the registry does not give schema ${id}: ${(error as Error).message}`)
  }
  const writers = new Writers({ getSchema: async () => schema as never }, log, new AbortController().signal)
  await writers.load([id])
  const writer = writers.get(id)!
  if ('code' in writer) return { transaction: null, note: `schema ${id}: ${writer.message}` }
  try {
    return { transaction: plain(writer.read(value)), note: `read by schema ${id}` }
  } catch (error) {
    return { transaction: null, note: `not readable by schema ${id}: ${(error as Error).message}` }
  }
}

/** The pipeline waits for the registry; somebody who looks does not. */
async function schemaOf(registry: RegistryAccess, id: number): Promise<avro.Type> {
  const timer = new AbortController()
  try {
    const late = sleep(REGISTRY_MS, undefined, { signal: timer.signal }).then(() => {
      throw new Error(`no answer within ${REGISTRY_MS / 1000} s`)
    })
    return (await Promise.race([createSchemaReader(registry).getSchema(id), late])) as unknown as avro.Type
  } finally {
    timer.abort()
  }
}

function decodeAsOurs(value: Buffer, why: string): Decoded {
  try {
    const { value: transaction, offset } = transactionType.decode(value, FRAME_BYTES)
    if (offset !== value.length) throw new Error(offset < 0 ? 'truncated' : 'too many bytes')
    return { transaction: plain(transaction as Transaction), note: `read by Weir's own schema; ${why}` }
  } catch (error) {
    return {
      transaction: null,
      note: `not readable by Weir's own schema (${(error as Error).message}); ${why}`,
    }
  }
}

const plain = (transaction: Transaction): Record<string, unknown> => ({
  ...transaction,
  timestamp: isoTime(transaction.timestamp),
  amount: formatAmount(transaction.amount),
})

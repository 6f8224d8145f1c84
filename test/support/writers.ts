import avro from 'avsc'
import type { Batch } from '../../pipeline/batch.ts'
import { createBatch } from '../../pipeline/batch.ts'
import { Writers } from '../../pipeline/decode/writers.ts'
import type { SourceRecord } from '../../pipeline/errors.ts'
import { decode } from '../../pipeline/stages/decode.ts'
import { createLogger } from '../../schemas/log.ts'
import {
  avroOptions,
  type Transaction,
  transactionSchemaText,
  transactionType,
} from '../../schemas/transaction.ts'
import { frame } from '../../schemas/wire.ts'
import { ownership } from './batches.ts'
import { record, transaction } from './transactions.ts'

/** Our own schema's id in {@link registryOf}. */
export const OUR_ID = 1

interface Field {
  name: string
  type: unknown
  default?: unknown
}
interface RecordSchema {
  name: string
  fields: Field[]
}

/** A writer's type: our schema, changed by the test, parsed as the registry parses it. */
export function writerType(change: (schema: RecordSchema) => void): avro.Type {
  const schema = JSON.parse(transactionSchemaText)
  change(schema)
  return avro.Type.forSchema(schema, avroOptions())
}

/** Our schema with the type of one field replaced. */
export const withFieldType = (name: string, type: unknown): avro.Type =>
  writerType(({ fields }) => {
    const field = fields.find((f) => f.name === name)!
    field.type = type
    delete field.default
  })

/** Our schema with a further field at its end, as a newer writer may have it. */
export const withExtraField = (type: unknown): avro.Type =>
  writerType(({ fields }) => void fields.push({ name: 'extra', type }))

/** The registry's "no such schema". */
export const notFound = (id: number): Error =>
  Object.assign(new Error(`Schema ${id} not found`), { status: 404 })

/** A registry that knows our schema as {@link OUR_ID}, and the types given. */
export function registryOf(types: Record<number, unknown> = {}) {
  const known: Record<number, unknown> = { [OUR_ID]: transactionType, ...types }
  const asked: number[] = []
  const getSchema = async (id: number) => {
    asked.push(id)
    if (known[id] === undefined) throw notFound(id)
    return known[id] as never
  }
  return { getSchema, asked, known }
}

const quiet = createLogger('test', 'silent')

export const writersOf = (
  registry: ConstructorParameters<typeof Writers>[0] = registryOf(),
  closing = new AbortController().signal,
): Writers => new Writers(registry, quiet, closing)

/** A framed value of our schema. */
export const encoded = (changes: Partial<Transaction> = {}): Buffer =>
  frame(OUR_ID, transactionType, transaction(changes))

/** Decodes records in one batch. */
export const decodeAll = async (records: SourceRecord[], writers = writersOf()): Promise<Batch> =>
  decode(writers)(createBatch(ownership(), 0, records.length, records))

/** The transaction in a value, or the code and message of its reject. */
export async function decodeOne(
  value: Buffer | null,
  { writers = writersOf(), changes = {} }: { writers?: Writers; changes?: Partial<SourceRecord> } = {},
): Promise<Transaction | { code: string; message: string }> {
  const { transactions, rejects } = await decodeAll([record(value, changes)], writers)
  if (transactions.length + rejects.length !== 1) throw new Error('a record must end up in one place')
  return transactions[0] ?? { code: rejects[0].code, message: rejects[0].message }
}

/** The code of the reject of a value; null if it was decoded. */
export async function codeOf(value: Buffer | null, writers = writersOf()): Promise<string | null> {
  const outcome = await decodeOne(value, { writers })
  return 'code' in outcome ? outcome.code : null
}

/** A value written with another type than ours, under the id 2. */
export async function decodeFrom(type: avro.Type, value: unknown) {
  return decodeOne(frame(2, type, value), { writers: writersOf(registryOf({ 2: type })) })
}

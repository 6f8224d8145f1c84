import { readFileSync } from 'node:fs'
import avro from 'avsc'
import { avroOptions } from './transaction.ts'

/**
 * What a transaction turned out to be, as a record of the labels topic: the Avro record `weir.Label`. The schema itself
 * is `schemas/avro/label.avsc`; the table is `schemas/sql/0010_labels.sql`.
 */
export interface Label {
  transaction_id: string
  /** Event time of the transaction, milliseconds since 1970 UTC. */
  timestamp: number
  is_fraud: boolean
  /** Who says so. */
  origin: string
  /** When it became known, milliseconds since 1970 UTC. */
  known_at: number
}

/** An analyst's word has this origin, with who it was behind it. Only the API may write such. */
export const ANALYST_ORIGIN = 'analyst:'

export const labelSchemaText = readFileSync(new URL('./avro/label.avsc', import.meta.url), 'utf8')

/** Encodes and decodes {@link Label}. */
export const labelType = avro.Type.forSchema(JSON.parse(labelSchemaText), avroOptions())

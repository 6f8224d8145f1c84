import type { IHeaders, KafkaMessage } from 'kafkajs'
import { counted, isoTime, jsonLine, printable, table } from '../../schemas/printable.ts'
import { REJECT_CODES, type RejectCode } from '../errors.ts'
import { type Decoded, decodeValue } from './decode-value.ts'
import { type Entry, named } from './entries.ts'
import { bytesAsText } from './letter.ts'
import { replaysIfKnown, summaryOf } from './list.ts'
import { remedyOf } from './remedies.ts'
import { readEntries, readLetters, type Session } from './session.ts'

export interface ShowOptions {
  bytes: number
  json?: true
}

type Shown = ReturnType<typeof summaryOf> & {
  entry: Entry
  message: string
  original: KafkaMessage
  decoded: Decoded
}

/** A header's or a key's text on the screen, at most. */
const MAX_TEXT = 1000
const HEX_BYTES_A_LINE = 16

/** Prints everything about a dead letter. There are several of one origin when the topic was made anew. */
export async function show(session: Session, origin: string, options: ShowOptions): Promise<void> {
  const entries = named(await readEntries(session), [origin])
  const replays = await replaysIfKnown(session)
  for (const entry of entries) {
    const original = await originalOf(session, entry)
    const { SCHEMA_REGISTRY_URL, ...others } = session.settings
    const registry = SCHEMA_REGISTRY_URL === undefined ? undefined : { ...others, SCHEMA_REGISTRY_URL }
    const decoded = await decodeValue(original.value, registry, session.log)
    const shown = { ...summaryOf(entry, replays), entry, original, decoded }
    console.log(options.json ? jsonLine(asJson(shown)) : asText(shown, options.bytes))
  }
}

async function originalOf(session: Session, { origin, first }: Entry): Promise<KafkaMessage> {
  const { partition, offset } = first.place
  let found: KafkaMessage | undefined
  await readLetters(session, new Map([[partition, { from: offset, to: offset + 1 }]]), (_, message) => {
    found = message
  })
  if (found === undefined) throw new Error(`the dead letter of ${origin} was deleted a moment ago`)
  return found
}

function asJson({ entry, original, decoded, ...summary }: Shown) {
  const { key, value, headers } = original
  return {
    ...summary,
    remedy: remedyOf(summary.code),
    rejections: rejectionsOf(entry),
    headers: Object.fromEntries(headerRows(headers)),
    key_base64: key?.toString('base64') ?? null,
    value_base64: value?.toString('base64') ?? null,
    transaction: decoded.transaction,
    transaction_note: decoded.note,
  }
}

const rejectionsOf = ({ letters }: Entry) =>
  letters.map(({ origin, code, message, rejectedAt }) => ({
    origin,
    rejected_at: isoTime(rejectedAt),
    code,
    message,
  }))

function asText({ entry, original, decoded, ...summary }: Shown, bytes: number): string {
  const { key, value, headers } = original
  const replays = summary.replays ?? `${entry.returned} or more (DATABASE_URL is not set or not usable)`
  const facts = [
    ['origin', summary.origin],
    ['sent at', `${summary.sent_at} (its own Kafka time)`],
    ['code', summary.code],
    ['message', summary.message],
    ['cause', REJECT_CODES[summary.code as RejectCode] ?? 'not known to this version'],
    ['remedy', remedyOf(summary.code)],
    ['replays', `${replays}${summary.replayed_at === null ? '' : `, the last at ${summary.replayed_at}`}`],
    ['key', key === null ? 'none' : bytesAsText(key, MAX_TEXT)],
  ].map(([name, text]) => [name, printable(text)])
  const rejections = rejectionsOf(entry).map((r) =>
    [r.rejected_at, r.code, r.origin, r.message].map(printable),
  )
  const fields = Object.entries(decoded.transaction ?? {}).map(([name, field]) => [name, jsonLine(field)])
  return [
    table(facts),
    section('rejections', table(rejections)),
    section('headers', table(headerRows(headers).map((row) => row.map(printable)))),
    section(`value: ${value === null ? 'none' : counted(value.length, 'byte')}`, hexDump(value, bytes)),
    section(`transaction: ${printable(decoded.note)}`, table(fields)),
  ].join('\n\n')
}

const section = (title: string, body: string): string =>
  body === '' ? title : `${title}\n${body.replaceAll(/^/gm, '  ')}`

function headerRows(headers: IHeaders = {}): [string, string][] {
  return Object.entries(headers).flatMap(([name, values]) =>
    [values ?? '']
      .flat()
      .map((value): [string, string] => [name, bytesAsText(Buffer.from(value as string), MAX_TEXT)]),
  )
}

function hexDump(value: Buffer | null, most: number): string {
  if (value === null) return ''
  const lines: string[] = []
  for (let at = 0; at < Math.min(value.length, most); at += HEX_BYTES_A_LINE) {
    const line = value.subarray(at, Math.min(at + HEX_BYTES_A_LINE, most))
    const hex = line.toString('hex').replaceAll(/(..)(?!$)/g, '$1 ')
    const text = line.toString('latin1').replaceAll(/[^\x20-\x7e]/g, '.')
    lines.push(`${at.toString(16).padStart(6, '0')}  ${hex.padEnd(3 * HEX_BYTES_A_LINE - 1)}  ${text}`)
  }
  if (value.length > most) lines.push(`… ${counted(value.length - most, 'byte')} more (--bytes)`)
  return lines.join('\n')
}

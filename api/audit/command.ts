import { Command, InvalidArgumentError, Option } from 'commander'
import { endWithReader } from '../../schemas/end-with-reader.ts'
import { counted, jsonLine, printable, table } from '../../schemas/printable.ts'
import { loadSettings } from '../../schemas/settings.ts'
import { writeTextfile } from '../../schemas/textfile.ts'
import { auditHead, auditPages, newestEntries } from '../sql/audit.ts'
import { type Anchor, appendAnchor, readAnchors } from './anchor.ts'
import type { Entry } from './entry.ts'
import { exportEntries, FORMATS, type Format, printedDetails } from './export.ts'
import { auditGauges } from './gauges.ts'
import { verifyStored, withSnapshot } from './snapshot.ts'

/** Findings that are printed for people; --json has all. */
const MAX_PRINTED = 100

const AFTER_HELP = `
The audit has every change of a status, key and model in force, each row with the hash of the one before it. verify names
each row that was edited, removed or put in. Somebody who may write everything in the database can write the whole chain
anew: so anchor it now and then (cron), keep the file on another machine, and verify with it. All need DATABASE_URL.

Exit codes: 0 done, the chain is whole; 1 an error, or findings; 2 the settings cannot be used.`

interface Json {
  json?: true
}

export function command(): Command {
  endWithReader()
  return new Command()
    .description('Look into the audit, and prove that nobody has altered it.')
    .addHelpText('after', AFTER_HELP)
    .addCommand(
      new Command('verify')
        .description('follow the chain from its beginning to its head')
        .option('--anchor <file>', 'compare with what anchor wrote, too')
        .option('--metrics <file>', 'write the result for Prometheus, too (a .prom file of node_exporter)')
        .option('--json', 'print one JSON object')
        .action(verifyChain),
    )
    .addCommand(
      new Command('list')
        .description('list the newest rows, the newest first')
        .option('--limit <n>', 'at most n of them', count, 50)
        .option('--json', 'print one JSON object a line')
        .action(list),
    )
    .addCommand(
      new Command('export')
        .description('write rows to stdout, the oldest first, with their hashes')
        .option('--from <time>', 'from this time on (ISO 8601)', time)
        .option('--to <time>', 'before this time', time)
        .addOption(
          new Option(
            '--format <format>',
            'csv is for spreadsheets: a cell that could be a formula has an apostrophe before it',
          )
            .choices(FORMATS)
            .default('ndjson'),
        )
        .action(exportAll),
    )
    .addCommand(
      new Command('anchor')
        .description('print the last link, to be kept outside the database')
        .option('--out <file>', 'add it to this file')
        .option('--json', 'print one JSON object (it does that anyway)')
        .action(anchor),
    )
}

const connection = () => ({
  connectionString: loadSettings(['DATABASE_URL']).DATABASE_URL,
  application_name: 'weir-audit',
})

interface VerifyOptions extends Json {
  anchor?: string
  metrics?: string
}

async function verifyChain({ anchor: file, metrics, json }: VerifyOptions): Promise<void> {
  const anchors = file === undefined ? [] : readAnchors(file)
  const verdict = await verifyStored(connection(), anchors)
  const { rows, head, findings } = verdict
  if (findings.length > 0) process.exitCode = 1
  if (metrics !== undefined) writeTextfile(metrics, auditGauges(verdict, Date.now()))
  if (json) {
    console.log(jsonLine({ whole: findings.length === 0, rows, head, anchors: anchors.length, findings }))
    return
  }
  for (const { kind, message } of findings.slice(0, MAX_PRINTED))
    console.log(`${kind.padEnd(9)}  ${printable(message)}`)
  if (findings.length > MAX_PRINTED)
    console.log(`and ${findings.length - MAX_PRINTED} more; --json prints all`)
  const compared = file === undefined ? '' : `, compared with ${counted(anchors.length, 'anchor')}`
  const outcome = findings.length === 0 ? 'the chain is whole' : counted(findings.length, 'finding')
  console.error(`${counted(rows, 'row')}${compared}: ${outcome}`)
}

const list = ({ limit, json }: Json & { limit: number }): Promise<void> =>
  withSnapshot(connection(), async (query) => {
    const entries = await newestEntries(query, limit)
    if (json) {
      for (const entry of entries) console.log(jsonLine(printedDetails(entry)))
      return
    }
    const lines = entries.map((entry) =>
      [entry.seq, `${entry.changed_at.slice(0, 19)}Z`, entry.actor, entry.action, whatOf(entry)].map(
        printable,
      ),
    )
    if (lines.length > 0) console.log(table([['SEQ', 'TIME', 'ACTOR', 'ACTION', 'WHAT'], ...lines]))
    console.error(counted(lines.length, 'row'))
  })

const whatOf = ({ action, details, transaction_id, previous_status, new_status, note }: Entry): string =>
  action === 'status'
    ? `${transaction_id} ${previous_status} -> ${new_status}${note === null ? '' : `: ${note}`}`
    : details

const exportAll = ({ from, to, format }: { from?: string; to?: string; format: Format }): Promise<void> =>
  withSnapshot(connection(), (query) => exportEntries(auditPages(query, { from, to }), format))

const anchor = ({ out }: { out?: string }): Promise<void> =>
  withSnapshot(connection(), async (query) => {
    const head = await auditHead(query)
    if (head === undefined)
      throw new Error('the head of the audit is missing; `npm run audit -- verify` tells more')
    const [last] = await newestEntries(query, 1)
    if (Number(last?.seq ?? 0) !== head.seq || (last !== undefined && last.hash !== head.hash))
      throw new Error(
        'the head does not follow the last row: not anchored; `npm run audit -- verify` tells more',
      )
    const { seq, hash, database } = head
    const link: Anchor = { seq, hash, at: new Date().toISOString(), database }
    if (out !== undefined) appendAnchor(out, link)
    console.log(JSON.stringify(link))
  })

function count(text: string): number {
  const number = Number(text)
  if (Number.isInteger(number) && number >= 1 && number <= 1_000_000) return number
  throw new InvalidArgumentError('Expected 1 to 1000000.')
}

function time(text: string): string {
  const at = /^\d{4}-\d\d-\d\d(?:T[\d:.]+(?:Z|[+-]\d\d:\d\d))?$/.test(text)
    ? new Date(text)
    : new Date(Number.NaN)
  if (!Number.isNaN(at.getTime())) return at.toISOString()
  throw new InvalidArgumentError('Expected a time such as 2026-11-24 or 2026-11-24T05:00:00Z.')
}

import { dirname } from 'node:path'
import { interruptibly } from '../../schemas/interruptibly.ts'
import { counted, jsonLine } from '../../schemas/printable.ts'
import { loadSettings } from '../../schemas/settings.ts'
import { writeTextfile } from '../../schemas/textfile.ts'
import type { Compared } from './compare.ts'
import { backupGauges } from './gauges.ts'
import { backupAt, listBackups } from './list.ts'
import { verifyBackup } from './verify.ts'
import { say } from './words.ts'

interface Options {
  identity?: string
  into?: string
  anchor?: string
  prometheus?: string
  programs?: string
  json?: true
}

export async function verify(path: string, options: Options): Promise<void> {
  const backup = backupAt(path)
  const { identity, into, anchor: anchorFile, prometheus, programs, json } = options
  await interruptibly(async (signal) => {
    try {
      const verified = await verifyBackup({ backup, identity, into, anchorFile, programs, signal, say })
      if (json) console.log(jsonLine({ backup, ...verified.verification, compared: comparedOf(verified) }))
      else tell(backup, verified)
    } finally {
      // What a verification that failed has taken back must be seen, too.
      if (prometheus !== undefined) writeTextfile(prometheus, backupGauges(listBackups(dirname(backup))))
    }
  }, loadSettings().SHUTDOWN_SECONDS)
}

const comparedOf = ({ rows, sampled, tables, positions, sequences, audit_rows, anchors }: Compared) => ({
  tables,
  rows,
  sampled,
  positions,
  sequences,
  audit_rows,
  anchors,
})

function tell(backup: string, compared: Compared): void {
  const { tables, rows, sampled, positions, sequences, audit_rows, anchors, server_version } = compared
  const audit =
    audit_rows === null
      ? 'no audit, which was not there yet'
      : `the audit, ${counted(audit_rows, 'row')} whole up to its head` +
        (anchors.compared + anchors.newer === 0
          ? ''
          : ` and as anchored (${counted(anchors.compared, 'anchor')}; ${anchors.newer} newer than the backup not compared)`)
  console.log(
    `${backup} is good: restored into PostgreSQL ${server_version} and compared. Equal are the checksum, ` +
      `${counted(rows, 'row')} in ${counted(tables, 'table')} (of ${counted(sampled, 'row')} the content), ` +
      `${counted(positions, 'position')}, ${counted(sequences, 'sequence')} and ${audit}.`,
  )
}

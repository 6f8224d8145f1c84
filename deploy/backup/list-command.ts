import { basename } from 'node:path'
import { counted, jsonLine, printable, table } from '../../schemas/printable.ts'
import { gaugesText, writeTextfile } from '../../schemas/textfile.ts'
import { backupGauges } from './gauges.ts'
import { type Listed, listBackups } from './list.ts'
import { agoOf, megabytes } from './words.ts'

interface Options {
  prometheus?: string
  json?: true
}

export async function list(directory: string, { prometheus, json }: Options): Promise<void> {
  const backups = listBackups(directory)
  if (prometheus === '-') {
    process.stdout.write(gaugesText(backupGauges(backups)))
    return
  }
  if (prometheus !== undefined) writeTextfile(prometheus, backupGauges(backups))
  const now = Date.now()
  if (json) {
    for (const backup of backups) console.log(jsonLine({ ...backup, age_seconds: ageOf(backup, now) }))
    return
  }
  const rows = backups.map((backup) => [
    printable(basename(backup.backup)),
    backup.taken_at === null ? '-' : agoOf(now - Date.parse(backup.taken_at)),
    megabytes(backup.size),
    backup.state,
    backup.verified_at === null ? 'never' : `${backup.verified_at.slice(0, 16)}Z`,
  ])
  if (rows.length > 0) console.log(table([['BACKUP', 'AGE', 'SIZE', 'STATE', 'VERIFIED'], ...rows]))
  console.error(counted(backups.filter(({ state }) => state === 'complete').length, 'complete backup'))
}

const ageOf = ({ taken_at }: Listed, now: number): number | null =>
  taken_at === null ? null : Math.round((now - Date.parse(taken_at)) / 1000)

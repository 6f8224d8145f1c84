import { interruptibly } from '../../schemas/interruptibly.ts'
import { counted, jsonLine, printable } from '../../schemas/printable.ts'
import { loadSettings } from '../../schemas/settings.ts'
import { backupAt } from './list.ts'
import { nextSteps } from './next-steps.ts'
import { type Restored, restoreBackup } from './restore.ts'
import { say } from './words.ts'

interface Options {
  identity?: string
  into?: string
  privileges: boolean
  programs?: string
  json?: true
}

export async function restore(path: string, options: Options): Promise<void> {
  const { identity, into, privileges: withGrants, programs, json } = options
  const databaseUrl = into ?? loadSettings(['DATABASE_URL']).DATABASE_URL
  const backup = backupAt(path)
  await interruptibly(async (signal) => {
    const restored = await restoreBackup({ backup, identity, databaseUrl, withGrants, programs, signal, say })
    if (json) console.log(jsonLine(asJson(backup, restored)))
    else tell(backup, restored)
  }, loadSettings().SHUTDOWN_SECONDS)
}

const asJson = (backup: string, restored: Restored) => ({
  backup,
  database: restored.database,
  taken_at: restored.manifest.facts.taken_at,
  compared: restored.compared,
  valid_keys: restored.valid_keys,
  next: nextSteps(restored),
})

function tell(backup: string, restored: Restored): void {
  const { database, compared, manifest } = restored
  console.log(
    `${backup} is restored into ${database}: ${counted(compared.rows, 'row')} in ${counted(compared.tables, 'table')}, ` +
      `as of ${manifest.facts.taken_at}, and equal to what was backed up.\n\nBefore Weir starts again:`,
  )
  for (const [i, { command, why }] of nextSteps(restored).entries())
    console.log(`  ${i + 1}. ${printable(command === null ? why : `${command}: ${why}`)}`)
}

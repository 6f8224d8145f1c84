import { interruptibly } from '../../schemas/interruptibly.ts'
import { jsonLine } from '../../schemas/printable.ts'
import { loadSettings } from '../../schemas/settings.ts'
import { writeTextfile } from '../../schemas/textfile.ts'
import { runAfter } from './after.ts'
import { type Created, createBackup } from './create.ts'
import { chooseEncryption } from './encryption.ts'
import { backupGauges } from './gauges.ts'
import { listBackups } from './list.ts'
import { manifestOf } from './manifest.ts'
import { agoOf, megabytes, say, totalRows } from './words.ts'

interface Options {
  dir: string
  recipients?: string
  gpgRecipient?: string[]
  after?: string
  prometheus?: string
  programs?: string
  json?: true
}

/** The backup is there; only what was to be done with it failed. */
const AFTER_FAILED = 3
const PROGRESS_MS = 10_000

export async function create(options: Options): Promise<void> {
  const settings = loadSettings(['DATABASE_URL'])
  const encryption = chooseEncryption(options.recipients, options.gpgRecipient)
  await interruptibly(async (signal) => {
    signal.addEventListener('abort', () => say('Ending, and removing what there is of it ...'))
    const created = await createBackup({
      databaseUrl: settings.DATABASE_URL,
      directory: options.dir,
      encryption,
      programs: options.programs,
      signal,
      say,
      onProgress: progress(),
    })
    tell(created, options.json)
    if (options.prometheus !== undefined)
      writeTextfile(options.prometheus, backupGauges(listBackups(options.dir)))
    if (options.after !== undefined) await after(options.after, created.backup, signal)
  }, settings.SHUTDOWN_SECONDS)
}

async function after(command: string, backup: string, signal: AbortSignal): Promise<void> {
  const failure = await runAfter(command, backup, signal)
  if (failure === null) return
  // Without the command: it may hold a token.
  console.error(`error: the backup ${backup} is complete, but --after failed (${failure})`)
  // Of a Ctrl-C the exit code is another one.
  if (!signal.aborted) process.exitCode = AFTER_FAILED
}

function progress(): (bytes: number) => void {
  let told = performance.now()
  return (bytes) => {
    if (performance.now() - told < PROGRESS_MS) return
    told = performance.now()
    say(`${megabytes(bytes)} dumped`)
  }
}

function tell({ backup, manifest }: Created, json: true | undefined): void {
  if (json) {
    const { facts, ...rest } = manifest
    console.log(
      jsonLine({
        backup,
        manifest: manifestOf(backup),
        ...rest,
        taken_at: facts.taken_at,
        rows: totalRows(facts),
      }),
    )
    return
  }
  const { facts, size, encryption, started_at, ended_at } = manifest
  console.log(backup)
  say(
    `${facts.tables.length} tables with ${totalRows(facts).toLocaleString('en-US')} rows as of ${facts.taken_at}, ` +
      `${megabytes(size)}, in ${agoOf(Date.parse(ended_at) - Date.parse(started_at))}; to be read by ` +
      `${encryption.recipients.join(' or ')}. Verify it where the secret key is: npm run backup -- verify`,
  )
}

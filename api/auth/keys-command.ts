import { Command, Option } from 'commander'
import { operator } from '../../schemas/audit.ts'
import { withClient } from '../../schemas/database.ts'
import { counted, jsonLine, printable, table } from '../../schemas/printable.ts'
import { loadSettings } from '../../schemas/settings.ts'
import { DAY } from '../../schemas/time.ts'
import { SCOPES, type Scope } from '../context.ts'
import type { Query } from '../sql/database.ts'
import { listKeys, type StoredKey } from '../sql/keys.ts'
import { createKey, endKey, type MadeKey, rotateKey } from './key-changes.ts'
import { duration, type Expiry, expiry, keyId, keyName, scopes } from './key-options.ts'

const AFTER_HELP = `
A key is shown once, when it is made; only its hash is kept. Scopes: read (GET), triage (changes of a status), metrics
(/metrics), admin (all of it). Running API processes take a change within five seconds; sessions end with their key. Every
change is in the audit (npm run audit). To rotate without a gap: rotate, give the new key to its users, and when the old
one is no longer used (list shows that, to ten minutes) let it expire, or revoke it. All need DATABASE_URL.

Exit codes: 0 done; 1 an error; 2 the settings cannot be used.`

interface Json {
  json?: true
}

export function command(): Command {
  return new Command()
    .description('Make, list, rotate and revoke the keys of the API.')
    .addHelpText('after', AFTER_HELP)
    .addCommand(
      new Command('create')
        .description('make a key and print it')
        .requiredOption('--name <name>', 'whose it is; the audit shows it', keyName)
        .option('--scopes <list>', `by commas, of ${SCOPES.join(', ')}`, scopes, ['read'])
        .addOption(
          new Option('--expires <when>', 'after so long (90d, 12h, 30m), at a time (ISO 8601), or never')
            .argParser(expiry)
            .default(expiry('90d'), '90d'),
        )
        .option('--json', 'print one JSON object')
        .action(create),
    )
    .addCommand(
      new Command('list')
        .description('list all keys, the newest first')
        .option('--json', 'print one JSON object a line')
        .action(list),
    )
    .addCommand(
      new Command('rotate')
        .description('make a key with the same name and scopes; the old one stays valid for the overlap')
        .argument('<id>', 'of the old key, as list prints it', keyId)
        .addOption(
          new Option('--overlap <time>', 'such as 7d, 12h, 30m or 0')
            .argParser(duration)
            .default(7 * DAY, '7d'),
        )
        .option(
          '--expires <when>',
          'of the new key; by default it lives as long as the old one was to',
          expiry,
        )
        .option('--json', 'print one JSON object')
        .action(rotate),
    )
    .addCommand(
      new Command('revoke')
        .description('end a key now')
        .argument('<id>', 'as list prints it', keyId)
        .option('--json', 'print one JSON object')
        .action(revoke),
    )
}

/** Runs with queries on one connection, whose transactions are the caller's. */
const withQueries = (work: (query: Query) => Promise<void>): Promise<void> =>
  withClient(
    { connectionString: loadSettings(['DATABASE_URL']).DATABASE_URL, application_name: 'weir-keys' },
    (client) => work(async (text, values) => (await client.query(text, values)).rows),
  )

interface CreateOptions extends Json {
  name: string
  scopes: Scope[]
  expires: Expiry
}

const create = ({ name, scopes, expires, json }: CreateOptions): Promise<void> =>
  withQueries(async (query) => {
    tell(await createKey(query, { name, scopes, expires_at: expires(new Date()) }, operator()), json)
  })

interface RotateOptions extends Json {
  overlap: number
  expires?: Expiry
}

const rotate = (id: string, { overlap, expires, json }: RotateOptions): Promise<void> =>
  withQueries(async (query) => {
    const made = await rotateKey(query, id, { overlapMs: overlap, expires }, operator())
    tell(made, json)
    if (!json) console.error(`The old key ${id} is valid until ${minute(made.old_expires_at)}.`)
  })

const revoke = (id: string, { json }: Json): Promise<void> =>
  withQueries(async (query) => {
    const { revoked_at, was_revoked } = await endKey(query, id, operator())
    if (json) console.log(jsonLine({ id, revoked_at, was_revoked }))
    else if (was_revoked) console.log(`${id} was revoked at ${minute(revoked_at)} already.`)
    else console.log(`${id} is revoked. Running API processes refuse it within five seconds.`)
  })

const list = ({ json }: Json): Promise<void> =>
  withQueries(async (query) => {
    const keys = await listKeys(query)
    const now = new Date()
    if (json) {
      for (const key of keys) console.log(jsonLine({ ...key, state: stateOf(key, now) }))
      return
    }
    const rows = keys.map((key) => [
      key.id,
      printable(key.name),
      key.scopes.join(','),
      stateOf(key, now),
      minute(key.created_at),
      key.expires_at === null ? 'never' : minute(key.expires_at),
      minute(key.last_used_at),
      key.replaced_by ?? '-',
    ])
    const head = ['ID', 'NAME', 'SCOPES', 'STATE', 'MADE', 'EXPIRES', 'LAST USED', 'REPLACED BY']
    if (rows.length > 0) console.log(table([head, ...rows]))
    console.error(counted(rows.length, 'key'))
  })

function stateOf(key: StoredKey, now: Date): 'valid' | 'revoked' | 'expired' {
  if (key.revoked_at !== null) return 'revoked'
  return key.expires_at !== null && key.expires_at <= now ? 'expired' : 'valid'
}

/** The key alone on stdout, so that it can be put into a file; what people read goes to stderr. */
function tell(made: MadeKey, json: true | undefined): void {
  if (json) {
    console.log(jsonLine(made))
    return
  }
  console.log(made.key)
  const until = made.expires_at === null ? 'for ever' : `until ${minute(made.expires_at)}`
  console.error(
    `${printable(made.name)}: scopes ${made.scopes.join(', ')}; valid ${until}; id ${made.id}.\n` +
      'This is the only time that the key is shown.',
  )
}

const minute = (time: Date | null): string => (time === null ? '-' : `${time.toISOString().slice(0, 16)}Z`)

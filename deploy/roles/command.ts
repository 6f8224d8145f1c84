import { Argument, Command, InvalidArgumentError } from 'commander'
import type pg from 'pg'
import { withClient } from '../../schemas/database.ts'
import { counted, jsonLine, printable, table } from '../../schemas/printable.ts'
import { OWNER, ROLE_NAMES, ROLES, type RoleName } from '../../schemas/roles/roles.ts'
import { loadSettings } from '../../schemas/settings.ts'
import { onStopSignal } from '../../schemas/stop-signals.ts'
import { type Applied, apply } from './apply.ts'
import { isMended, look } from './findings.ts'
import { PasswordFiles } from './password-files.ts'
import { rotate } from './rotate.ts'

const AFTER_HELP = `
Each process logs in as a role that may do what it needs, and no more:
${ROLE_NAMES.map((name) => `  ${name.padEnd(17)}${ROLES[name].runs}`).join('\n')}
apply and rotate need the DATABASE_URL of an administrator: a superuser, or a role with CREATEROLE that owns the database.
show needs that of any role. deploy/roles.md has the whole way.

Exit codes: 0 done; 1 an error, of apply also what it could not put right, of show anything that is not as designed;
2 the settings cannot be used. What apply leaves to people, an old password or a membership say, it tells and goes on.`

interface Json {
  json?: true
}

export function command(): Command {
  return new Command()
    .description('Make the roles of PostgreSQL that Weir runs as, look at them, and rotate their passwords.')
    .addHelpText('after', AFTER_HELP)
    .addCommand(
      new Command('apply')
        .description(
          'make what is missing, and give each role its rights in this database; twice does no harm',
        )
        .option(
          '--passwords <dir>',
          'a directory with a file for each role that holds its password; roles that are made now get a new one there',
        )
        .option('--urls', 'write <role>.url beside them, too: a DATABASE_URL with the password')
        .option(
          '--connections <role=n>',
          'at most n connections at once; may be given again',
          limits,
          new Map(),
        )
        .option('--take-over', `make ${OWNER} the owner of tables that are another role's`)
        .option('--json', 'print one JSON object')
        .action(applyRoles),
    )
    .addCommand(
      new Command('show')
        .description('list the roles, and all that differs from their design')
        .option('--json', 'print one JSON object')
        .action(show),
    )
    .addCommand(
      new Command('rotate')
        .description('give a role a new password and put it into its file; connections that there are go on')
        .addArgument(new Argument('<role>', 'whose').choices(ROLE_NAMES))
        .requiredOption('--passwords <dir>', 'the directory with the file')
        .option('--json', 'print one JSON object')
        .action(rotatePassword),
    )
}

const withDatabase = <T>(work: (client: pg.Client, url: string) => Promise<T>): Promise<T> => {
  const { DATABASE_URL: url } = loadSettings(['DATABASE_URL'])
  return withClient({ connectionString: url, application_name: 'weir-roles' }, (client) => work(client, url))
}

interface ApplyOptions extends Json {
  passwords?: string
  urls?: true
  connections: Map<RoleName, number>
  takeOver?: true
}

const applyRoles = ({ passwords, urls, connections, takeOver, json }: ApplyOptions): Promise<void> => {
  const files = passwords === undefined ? undefined : new PasswordFiles(passwords)
  if (urls && files === undefined) throw new Error('--urls goes with --passwords')
  return withDatabase(async (client, url) => {
    const applied = await apply(client, { files, url, connections, takeOver: takeOver === true })
    if (urls && files !== undefined) writeUrls(files, url)
    const { findings } = await look(client)
    // That there are no tables yet is no fault here: it is what comes next.
    const left = applied.is_migrated ? findings : findings.filter(({ kind }) => kind !== 'owner')
    if (left.some(isMended)) process.exitCode = 1
    if (json) console.log(jsonLine({ ...applied, findings: left }))
    else tellApplied(applied, files)
    if (!json) for (const { kind, message } of left) console.log(`${kind.padEnd(9)} ${printable(message)}`)
  })
}

function writeUrls(files: PasswordFiles, url: string): void {
  for (const role of ROLE_NAMES) {
    const password = files.read(role)
    if (password !== undefined) files.writeUrl(role, password, url)
  }
}

function tellApplied(applied: Applied, files: PasswordFiles | undefined): void {
  const { made, changed, passwords, granted, revoked, taken_over, notes } = applied
  const say = (what: string, list: readonly string[]) => {
    if (list.length > 0) console.log(`${what.padEnd(9)} ${list.map(printable).join(', ')}`)
  }
  say('made', made)
  say('changed', changed)
  say('passwords', passwords.length > 0 ? [`${passwords.join(', ')}, from ${files?.directory}`] : [])
  if (taken_over !== null)
    say('owner', [`${counted(taken_over.things, 'table or routine')} from ${taken_over.from}`])
  // By dozens after a migration; --json has each.
  say('granted', granted.length > 0 ? [counted(granted.length, 'privilege')] : [])
  for (const privilege of revoked) say('revoked', [privilege])
  for (const note of notes) say('note', [note])
  if (!applied.is_migrated)
    console.error(
      `There are no tables yet: \`npm run migrate\` as ${OWNER} makes them, and gives the roles their rights.`,
    )
  else if (made.length + changed.length + passwords.length + granted.length + revoked.length === 0)
    console.error('The roles and their grants were as they should be.')
}

const show = ({ json }: Json): Promise<void> =>
  withDatabase(async (client) => {
    const { roles, findings } = await look(client)
    if (findings.length > 0) process.exitCode = 1
    if (json) {
      console.log(jsonLine({ as_designed: findings.length === 0, roles, findings }))
      return
    }
    const rows = roles.map(({ role, runs, exists, connections, sessions, password_set_at }) => [
      role,
      exists ? `${sessions} of ${connections === -1 ? 'any' : connections}` : 'missing',
      password_set_at?.toISOString().slice(0, 10) ?? '-',
      runs,
    ])
    console.log(table([['ROLE', 'CONNECTIONS', 'PASSWORD OF', 'RUNS'], ...rows]))
    for (const { kind, message } of findings) console.log(`${kind.padEnd(9)} ${printable(message)}`)
    console.error(findings.length === 0 ? 'All is as designed.' : counted(findings.length, 'finding'))
  })

const rotatePassword = (role: RoleName, { passwords, json }: Json & { passwords: string }): Promise<void> =>
  withDatabase(async (client, url) => {
    // Between the file and the commit nobody stops it.
    const release = onStopSignal(() => {})
    const rotated = await rotate(client, role, new PasswordFiles(passwords), url).finally(release)
    if (json) console.log(jsonLine(rotated))
    else
      console.log(
        `${role} has a new password, which is in ${passwords}. ${counted(rotated.sessions, 'connection')} go on with the old one.`,
      )
  })

function limits(text: string, known: Map<RoleName, number>): Map<RoleName, number> {
  const [, role, number] = /^(\w+)=(\d{1,5})$/.exec(text) ?? []
  if (ROLE_NAMES.some((name) => name === role) && Number(number) > 0)
    return new Map([...known, [role as RoleName, Number(number)]])
  throw new InvalidArgumentError(`Expected role=n, n from 1 up, role one of ${ROLE_NAMES.join(', ')}.`)
}

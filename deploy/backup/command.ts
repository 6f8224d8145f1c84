import { Command, InvalidArgumentError } from 'commander'
import { endWithReader } from '../../schemas/end-with-reader.ts'
import { generateKeys } from './age.ts'
import { create } from './create-command.ts'
import { list } from './list-command.ts'
import { restore } from './restore-command.ts'
import { verify } from './verify-command.ts'

const AFTER_HELP = `
A backup is a dump of one consistent moment, encrypted to public keys before it touches a disk (age, or gpg), with a
manifest beside it that says what must be in it. verify restores it and compares; only a backup that was verified is one.
deploy/backup/README.md has keys, schedules, copies off site and the drill of a restore.

create needs DATABASE_URL of a role that may read all of Weir's tables (fraud_backup) by two connections, and pg_dump, not
older than the server. verify and restore need pg_restore, not older than that pg_dump.

Exit codes: 0 done; 1 an error (of create: no backup was made); 2 the settings cannot be used; 3 the backup is complete,
but --after failed; 130 ended by Ctrl-C (143 by SIGTERM).`

export function command(): Command {
  endWithReader()
  return new Command()
    .description('Make encrypted backups of the database, prove that they can be restored, and restore them.')
    .addHelpText('after', AFTER_HELP)
    .addCommand(
      new Command('keygen')
        .description('make a pair of keys of age: the secret one into a file, the public one to stdout')
        .requiredOption('--out <file>', 'file for the secret key; keep it where no backup is made')
        .action(async ({ out }: { out: string }) => console.log(await generateKeys(out))),
    )
    .addCommand(
      new Command('create')
        .description('make a backup')
        .requiredOption('--dir <directory>', 'where to put it; made if need be')
        .option('--recipients <file>', "file of age's public keys, one a line; each can read it alone")
        .option(
          '--gpg-recipient <key...>',
          'use gpg instead, with this key (its fingerprint); several by spaces',
        )
        .option(
          '--after <command>',
          'then run this line of shell, with "$1" the backup and "$2" its manifest',
        )
        .option('--prometheus <file>', "write the directory's metrics for node_exporter's textfile collector")
        .option('--programs <directory>', 'folder of pg_dump; default: the usual places, then PATH')
        .option('--json', 'print one JSON object')
        .action(create),
    )
    .addCommand(
      new Command('verify')
        .description('restore a backup into an empty database, compare everything, and throw it away')
        .argument('<backup>', 'the backup, or a directory, of which the newest is verified')
        .option('--identity <file>', "file of age's secret key; - for the standard input")
        .option(
          '--into <url>',
          'a server that the role may make a database on; default: a temporary one on this machine',
          urlWithoutPassword,
        )
        .option('--anchor <file>', 'compare the audit with what `npm run audit -- anchor` wrote, too')
        .option('--prometheus <file>', "write the directory's metrics for node_exporter's textfile collector")
        .option('--programs <directory>', 'folder of pg_restore; default: the usual places, then PATH')
        .option('--json', 'print one JSON object')
        .action(verify),
    )
    .addCommand(
      new Command('restore')
        .description('restore a backup into an empty database, and say what is to be done then')
        .argument('<backup>', 'the backup; of a directory its newest')
        .option('--identity <file>', "file of age's secret key; - for the standard input")
        .option('--into <url>', 'the empty database; default: DATABASE_URL', urlWithoutPassword)
        .option('--no-privileges', 'grant nothing: where the roles are to be made later')
        .option('--programs <directory>', 'folder of pg_restore; default: the usual places, then PATH')
        .option('--json', 'print one JSON object')
        .action(restore),
    )
    .addCommand(
      new Command('list')
        .description('list the backups of a directory, the newest first')
        .argument('<directory>')
        .option(
          '--prometheus <file>',
          "write their metrics for node_exporter's textfile collector; - for stdout",
        )
        .option('--json', 'print one JSON object a line')
        .action(list),
    )
}

/** Every user of the machine can read arguments. */
function urlWithoutPassword(text: string): string {
  if (!URL.canParse(text) || !/^postgres(ql)?:$/.test(new URL(text).protocol))
    throw new InvalidArgumentError('Expected a URL such as postgres://weir@db.example:5432/postgres.')
  const { password, searchParams } = new URL(text)
  if (password !== '' || searchParams.has('password')) {
    throw new InvalidArgumentError(
      'It holds a password, which everybody on this machine could read. Leave it out, and put it into ~/.pgpass, a file ' +
        'that PGPASSFILE names, or PGPASSWORD.',
    )
  }
  return text
}

import { Command } from 'commander'
import { createLogger } from './log.ts'
import { migrate } from './migrate.ts'
import { loadSettings } from './settings.ts'

export function command(): Command {
  return new Command()
    .description('Bring the database at DATABASE_URL to the schema of this version. Twice does no harm.')
    .addHelpText(
      'after',
      '\nNeeds DATABASE_URL: of the owner of the tables, fraud_owner where there are roles (npm run roles), which have their\nrights then, too.',
    )
    .action(async () => {
      const settings = loadSettings(['DATABASE_URL'])
      const done = await migrate(settings.DATABASE_URL, createLogger('migrate', settings.LOG_LEVEL))
      console.log(done.length === 0 ? 'The database is up to date.' : `Migrated: ${done.join(', ')}`)
    })
}

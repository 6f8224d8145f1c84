import { Command } from 'commander'
import { createLogger } from './log.ts'
import { migrate } from './migrate.ts'
import { loadSettings } from './settings.ts'

export function command(): Command {
  return new Command()
    .description('Bring the database at DATABASE_URL to the schema of this version. Twice does no harm.')
    .action(async () => {
      const settings = loadSettings(['DATABASE_URL'])
      const done = await migrate(settings.DATABASE_URL, createLogger('migrate', settings.LOG_LEVEL))
      console.log(done.length === 0 ? 'The database is up to date.' : `Migrated: ${done.join(', ')}`)
    })
}

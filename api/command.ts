import { Command } from 'commander'
import { whenHopeless } from '../schemas/database.ts'
import { createLogger } from '../schemas/log.ts'
import { loadSettings } from '../schemas/settings.ts'
import { onStopSignal } from '../schemas/stop-signals.ts'
import { logUncaught } from '../schemas/uncaught.ts'
import { requireSomeKey } from './auth/some-key.ts'
import { startApi } from './main.ts'

export function command(): Command {
  return new Command()
    .description('Serve the HTTP API and the analysts’ page on HOST:PORT until SIGTERM or Ctrl-C.')
    .addHelpText(
      'after',
      '\nNeeds DATABASE_URL, and API_KEY or a key made by `npm run keys`; see .env.example for all settings.',
    )
    .action(async () => {
      const settings = loadSettings(['DATABASE_URL'])
      const log = createLogger('api', settings.LOG_LEVEL)
      logUncaught(log)
      await requireSomeKey(settings, log)
      // Before it says that it listens: from then on a signal must find somebody.
      const signalled = new Promise((resolve) => onStopSignal(resolve, () => process.exit(1)))
      const api = await startApi({ settings, log })
      try {
        const signal = await Promise.race([signalled, whenHopeless(settings.DATABASE_URL)])
        log.info({ signal }, 'stopping; once more to stop at once')
      } finally {
        await api.stop()
      }
      // A connection to a database that does not answer would keep the process.
      process.exit(0)
    })
}

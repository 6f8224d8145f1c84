import { Command } from 'commander'
import { createLogger } from '../schemas/log.ts'
import { loadSettings } from '../schemas/settings.ts'
import { startApi } from './main.ts'

export function command(): Command {
  return new Command()
    .description('Serve the HTTP API and the analysts’ page on HOST:PORT until SIGTERM or Ctrl-C.')
    .action(async () => {
      const settings = loadSettings(['DATABASE_URL', 'API_KEY'])
      const log = createLogger('api', settings.LOG_LEVEL)
      const api = await startApi({ settings, log })
      const signal = await firstSignal()
      log.info({ signal }, 'stopping; once more to stop at once')
      process.once('SIGINT', () => process.exit(130)).once('SIGTERM', () => process.exit(143))
      await api.stop()
      // A connection to a database that does not answer would keep the process.
      process.exit(0)
    })
}

const firstSignal = (): Promise<NodeJS.Signals> =>
  new Promise((resolve) => process.once('SIGTERM', resolve).once('SIGINT', resolve))

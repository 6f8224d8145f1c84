import { type DestinationStream, type Logger, pino } from 'pino'
import { errorFields } from './error-fields.ts'

export type { Logger } from 'pino'

/** Fields that may hold a secret wherever they appear in a logged object. */
const SECRET_FIELDS = [
  'password',
  'api_key',
  'API_KEY',
  'DATABASE_URL',
  'KAFKA_SASL_PASSWORD',
  'SCHEMA_REGISTRY_PASSWORD',
  'SCHEMA_REGISTRY_URL',
  'authorization',
  'cookie',
  'connectionString',
]

/**
 * A logger that writes JSON lines to stderr: stdout belongs to a command's result.
 * @param name the process's part, e.g. `pipeline`
 */
export function createLogger(name: string, level: string, destination?: DestinationStream): Logger {
  return pino(
    {
      name,
      level,
      base: { name },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { err: errorFields },
      redact: SECRET_FIELDS.flatMap((f) => [f, `*.${f}`, `*.*.${f}`]),
    },
    destination ?? pino.destination({ fd: 2, sync: true }),
  )
}

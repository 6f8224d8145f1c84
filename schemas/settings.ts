import { z } from 'zod'
import { databaseUrlFault } from './database-url.ts'
import { productionFaults } from './production.ts'
import { rememberSource, type Source, sourceOf } from './setting-values.ts'
import { SettingsError } from './settings-error.ts'
import { transportFaults } from './transport.ts'

export { SettingsError }

/**
 * Every setting, once: its form, its default and what it is for. `.env.example` lists the same names (checked by
 * `npm run check`). Only the commands' entry points call {@link loadSettings}; everything else is handed values.
 */

const port = z.coerce.number().int().min(0).max(65535)
const positive = z.coerce.number().int().min(1)
const flag = z.enum(['true', 'false']).transform((v) => v === 'true')
const url = (...protocols: string[]) =>
  z.string().refine((v) => URL.canParse(v) && protocols.includes(new URL(v).protocol), {
    error: `expected a URL that starts with ${protocols.map((p) => `${p}//`).join(' or ')}`,
  })
const database = url('postgres:', 'postgresql:').superRefine((v, ctx) => {
  const fault = databaseUrlFault(v)
  if (fault !== null) ctx.addIssue(fault)
})
const brokers = z.string().transform((v, ctx) => {
  const list = v.split(',').map((s) => s.trim())
  if (list.some((s) => !/^[^\s:]+:\d+$/.test(s))) ctx.addIssue('expected host:port, several by commas')
  return list
})

export const shape = {
  NODE_ENV: z.enum(['development', 'test', 'production']).default('development'),
  LOG_HMAC_KEY: z.string().min(16, 'expected at least 16 characters').optional(),
  LOG_LEVEL: z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']).default('info'),
  WEIR_CACHE_DIR: z.string().optional(),

  ALLOW_PLAINTEXT: flag.default(false),
  KAFKA_BROKERS: brokers.optional(),
  KAFKA_SECURITY_PROTOCOL: z.enum(['PLAINTEXT', 'SSL', 'SASL_PLAINTEXT', 'SASL_SSL']).default('PLAINTEXT'),
  KAFKA_SASL_MECHANISM: z.enum(['SCRAM-SHA-512', 'SCRAM-SHA-256', 'PLAIN']).default('SCRAM-SHA-512'),
  KAFKA_SASL_USERNAME: z.string().optional(),
  KAFKA_SASL_PASSWORD: z.string().optional(),
  KAFKA_SSL_CA_FILE: z.string().optional(),
  KAFKA_SSL_CERT_FILE: z.string().optional(),
  KAFKA_SSL_KEY_FILE: z.string().optional(),
  KAFKA_GROUP_ID: z.string().min(1).default('weir'),
  KAFKA_SESSION_TIMEOUT_MS: z.coerce.number().int().min(1000).max(1_800_000).default(10_000),
  TRANSACTIONS_TOPIC: z.string().min(1).default('transactions'),
  DEAD_LETTER_TOPIC: z.string().min(1).default('transactions.dead-letter'),
  LABELS_TOPIC: z.string().min(1).default('labels'),
  CREATE_TOPICS: flag.optional(),
  TOPIC_PARTITIONS: positive.default(6),
  SCHEMA_REGISTRY_URL: url('http:', 'https:').optional(),
  SCHEMA_REGISTRY_USERNAME: z.string().optional(),
  SCHEMA_REGISTRY_PASSWORD: z.string().optional(),
  SCHEMA_REGISTRY_CA_FILE: z.string().optional(),
  REGISTER_SCHEMAS: flag.optional(),
  DATABASE_URL: database.optional(),

  BATCH_MAX_RECORDS: positive.max(100_000).default(5000),
  COMMIT_MAX_RECORDS: positive.max(1_000_000).default(10_000),
  QUEUE_BATCHES: positive.max(1000).default(2),
  LANES: positive.max(64).default(3),
  WORKERS: positive.max(64).default(1),
  CHECKPOINT_SECONDS: positive.max(1_000_000).default(60),
  ALLOWED_LATENESS: positive.default(24),
  BASE_CURRENCY: z
    .string()
    .regex(/^[A-Z]{3}$/, 'expected three capitals')
    .default('EUR'),
  RATES_FILE: z.string().optional(),
  LABEL_DELAY_DAYS: positive.max(3650).default(7),
  ANOMALY_THRESHOLD: z.coerce.number().min(0).max(1).default(0.7),
  RULES_FILE: z.string().optional(),
  WATCHDOG_SECONDS: positive.max(1_000_000).default(60),
  SHUTDOWN_SECONDS: positive.max(600).default(10),
  SHUTDOWN_DRAIN_SECONDS: z.coerce.number().int().min(0).max(600).default(0),
  PIPELINE_METRICS_PORT: port.default(9464),
  WEIR_FAILPOINT: z
    .string()
    .regex(/^[a-z-]+(:[1-9]\d*)?$/, 'expected name or name:n')
    .optional(),

  HOST: z.string().min(1).default('127.0.0.1'),
  PORT: port.default(8000),
  API_KEY: z.string().min(16, 'expected at least 16 characters').optional(),
  TLS_CERT_FILE: z.string().min(1).optional(),
  TLS_KEY_FILE: z.string().min(1).optional(),
  FRONTEND_ORIGIN: z.string().optional(),
  STRIPE_API_KEY: z.string().optional(),
  TRUSTED_PROXIES: z.coerce.number().int().min(0).max(10).default(0),
  RATE_LIMIT_STORE: z.enum(['memory', 'postgres']).default('memory'),
  RATE_LIMIT_HEALTH: positive.default(100),
  RATE_LIMIT_READY: positive.default(30),
  RATE_LIMIT_READ: positive.default(100),
  RATE_LIMIT_WRITE: positive.default(30),
  RATE_LIMIT_FAILURES: positive.default(30),
  STATEMENT_TIMEOUT_MS: positive.default(5000),
  DATABASE_POOL_SIZE: positive.max(1000).default(10),
  STREAM_MAX_CLIENTS: positive.max(100_000).default(1000),
  AUDIT_VERIFY_HOURS: z.coerce.number().min(0).max(8760).default(24),
} satisfies Record<string, z.ZodType>

/** Older names that still work. */
export const ALIASES: Partial<Record<Name, string>> = {
  KAFKA_BROKERS: 'KAFKA_BOOTSTRAP_SERVERS',
  API_KEY: 'AZURE_API_KEY',
}

/** Never printed, not even in the report of a faulty value. (The registry's URL may hold a password, too.) */
const SECRET: ReadonlySet<string> = new Set([
  'API_KEY',
  'LOG_HMAC_KEY',
  'STRIPE_API_KEY',
  'DATABASE_URL',
  'SCHEMA_REGISTRY_URL',
  'SCHEMA_REGISTRY_PASSWORD',
  'KAFKA_SASL_PASSWORD',
])

const schema = z.object(shape)
export type Name = keyof typeof shape
export type Settings = z.infer<typeof schema>
/** The settings with the named ones present. */
export type Needed<N extends Name> = Settings & { [K in N]-?: NonNullable<Settings[K]> }

/**
 * Reads the settings from the environment.
 * @param needed names that must be set; the error says how to get them
 * @throws SettingsError with every fault found
 */
export function loadSettings<N extends Name = never>(
  needed: readonly N[] = [],
  env: NodeJS.ProcessEnv = process.env,
): Needed<N> {
  const faults: string[] = []
  const raw: Record<string, string> = {}
  const files = new Map<Name, Source>()
  for (const name of Object.keys(shape) as Name[]) {
    try {
      const source = sourceOf(
        [name, ALIASES[name]].filter((n) => n !== undefined),
        env,
      )
      if (source === undefined) continue
      raw[name] = source.read()
      if (source.isFile) files.set(name, source)
    } catch (error) {
      faults.push((error as Error).message)
    }
  }
  const parsed = schema.safeParse(raw)
  if (!parsed.success) {
    for (const issue of parsed.error.issues) {
      const name = String(issue.path[0])
      faults.push(
        `${name}: got ${SECRET.has(name) ? '(a secret, not shown)' : JSON.stringify(raw[name])}; ${issue.message}`,
      )
    }
  }
  for (const name of needed) {
    if (raw[name] === undefined && !faults.some((f) => f.startsWith(name)))
      faults.push(`${name}: not set; ${remedy(name)}`)
  }
  if (raw.NODE_ENV === 'production') faults.push(...productionFaults(raw, env))
  if (parsed.success) faults.push(...transportFaults(parsed.data))
  if (faults.length > 0) throw new SettingsError(faults)
  for (const [name, source] of files)
    rememberSource(name, raw[name], () => readAgain(name, source, parsed.data!))
  return Object.freeze(parsed.data) as Needed<N>
}

/** @throws when what is in the file now would not have been taken at the start; never with what that is */
function readAgain(name: Name, source: Source, settings: Settings): string {
  const value = source.read()
  const now = shape[name].safeParse(value)
  if (!now.success) throw new Error(now.error.issues.map(({ message }) => message).join('; '))
  const [fault] = transportFaults({ ...settings, [name]: now.data })
  if (fault !== undefined) throw new Error(fault)
  return value
}

function remedy(name: Name): string {
  if (name === 'API_KEY') return 'choose a secret of at least 16 characters, e.g. by `openssl rand -hex 24`'
  return '`npm run servers` starts local servers and prints the settings to copy'
}

/** Whether topics and schemas are made when missing: as told, else everywhere but in production. */
export const mayCreateTopics = (s: Settings): boolean => s.CREATE_TOPICS ?? s.NODE_ENV !== 'production'
export const mayRegisterSchemas = (s: Settings): boolean => s.REGISTER_SCHEMAS ?? s.NODE_ENV !== 'production'

/** Where the platform says that a user's caches are; undefined where it does not say. No setting of Weir. */
export const userCaches = (): string | undefined => process.env.XDG_CACHE_HOME || undefined

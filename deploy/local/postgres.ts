import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chownSync, existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { totalmem } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { createClient } from '../../schemas/database.ts'
import { withFreePorts } from './free-ports.ts'
import type { Guardian, Running } from './guardian-client.ts'
import { postgresPrograms, readableByAll, type User } from './postgres-programs.ts'
import { untilReady } from './ready.ts'

const START_SECONDS = 60
const OWNER = 'weir'
/** The processes of a server that was killed hold its memory for a moment. */
const STILL_HELD = /pre-existing shared memory block|lock file .* already exists/
const RELEASE_MS = 5000
const MB = 2 ** 20

/** A database server that tests can stop and start again on its port. */
export interface PostgresServer {
  url: string
  ports: number[]
  pid(): number
  /** fast: connections are ended, a checkpoint is made. immediate: as after a power cut. */
  stop(mode: 'fast' | 'immediate'): Promise<void>
  start(): Promise<void>
}

interface Options {
  guardian: Guardian
  ports: number[] | undefined
  /** Password of the superuser and of the owner; kept with the data. */
  password: string
  onEnd: (how: string) => void
  /** Folder of initdb and postgres; default: of those that came by npm. */
  programs?: string
}

/** A password that needs no escaping in a URL or in SQL. */
export const newPassword = (): string => randomBytes(24).toString('base64url')

/** Starts PostgreSQL on loopback with an empty database and its owner, who is not the superuser. */
export async function startPostgres(options: Options): Promise<PostgresServer> {
  const directory = join(options.guardian.directory, 'postgres')
  const user = serverUser()
  if (user !== null && !readableByAll(options.guardian.directory)) {
    throw new Error(
      `PostgreSQL refuses to run as root, so it runs as nobody, who cannot enter ${options.guardian.directory}. ` +
        'Choose a directory outside of /root, or do not run as root.',
    )
  }
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  if (user !== null) chownSync(directory, user.uid, user.gid)
  const bin = options.programs ?? postgresPrograms(options.guardian.directory, user)
  if (!existsSync(join(directory, 'data'))) await initialise(options, bin, directory, user)
  return withFreePorts(1, options.ports, async ([port]) => {
    const server = await run(options, bin, directory, user, port)
    await createDatabase(port, options.password)
    return server
  })
}

/** PostgreSQL refuses root: then nobody runs it. */
function serverUser(): User | null {
  if (process.getuid?.() !== 0) return null
  const id = (what: string) =>
    Number(execFileSync('id', [what, 'nobody'], { encoding: 'utf8', env: environment }))
  return { uid: id('-u'), gid: id('-g') }
}

const environment = { PATH: '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' }

async function initialise(
  { guardian, password }: Options,
  bin: string,
  directory: string,
  user: User | null,
) {
  const passwordFile = join(directory, 'password')
  // Beside its place first: an initdb that was cut short must not be taken for a database.
  const unfinished = 'data.unfinished'
  rmSync(join(directory, unfinished), { recursive: true, force: true })
  writeFileSync(passwordFile, password, { mode: 0o600 })
  if (user !== null) chownSync(passwordFile, user.uid, user.gid)
  await guardian.run({
    command: join(bin, 'initdb'),
    args: [
      `--pgdata=${unfinished}`,
      '--username=postgres',
      '--auth=scram-sha-256',
      '--pwfile=password',
      '--encoding=UTF8',
      '--locale=C',
      '--no-instructions',
    ],
    env: environment,
    cwd: directory,
    user: user ?? undefined,
    log: join(guardian.directory, 'initdb.log'),
    // It takes less than a second, and its server, ended by a signal, would leave shared memory.
    stop: null,
  })
  rmSync(passwordFile)
  renameSync(join(directory, unfinished), join(directory, 'data'))
}

function serverSettings(port: number): string[] {
  const memory = Math.min(totalmem(), process.constrainedMemory() || Infinity)
  const sharedBuffers = Math.min(512, Math.max(128, Math.floor(memory / 16 / MB)))
  const settings = {
    listen_addresses: '127.0.0.1',
    port,
    unix_socket_directories: '',
    max_connections: 100,
    shared_buffers: `${sharedBuffers}MB`,
    fsync: 'on',
    full_page_writes: 'on',
    synchronous_commit: 'on',
    wal_compression: 'off',
    max_wal_size: '4GB',
    checkpoint_timeout: '15min',
    timezone: 'UTC',
    log_timezone: 'UTC',
  }
  return Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])
}

async function run(
  options: Options,
  bin: string,
  directory: string,
  user: User | null,
  port: number,
): Promise<PostgresServer> {
  const log = join(options.guardian.directory, 'postgres.log')
  const launch = async (): Promise<Running> => {
    const started = await options.guardian.spawn({
      command: join(bin, 'postgres'),
      args: ['-D', 'data', ...serverSettings(port)],
      env: environment,
      cwd: directory,
      user: user ?? undefined,
      log,
      stop: ['SIGINT', 'SIGQUIT'],
    })
    await untilReady('PostgreSQL', started, log, START_SECONDS, () =>
      query(superuserUrl(port, options.password), 'SELECT 1'),
    )
    void started.exited.then(({ how }) => options.onEnd(how))
    return started
  }
  let server = await launch()
  const relaunch = async (): Promise<Running> => {
    const deadline = Date.now() + RELEASE_MS
    for (;;) {
      try {
        return await launch()
      } catch (error) {
        if (!STILL_HELD.test((error as Error).message) || Date.now() > deadline) throw error
        await sleep(100)
      }
    }
  }
  return {
    url: `postgres://${OWNER}:${options.password}@127.0.0.1:${port}/${OWNER}`,
    ports: [port],
    pid: () => server.pid,
    async stop(mode) {
      server.signal(mode === 'fast' ? 'SIGINT' : 'SIGQUIT')
      await server.exited
    },
    async start() {
      server = await relaunch()
    },
  }
}

const superuserUrl = (port: number, password: string): string =>
  `postgres://postgres:${password}@127.0.0.1:${port}/postgres`

async function query(connectionString: string, text: string): Promise<unknown[]> {
  const client = createClient({ connectionString, application_name: 'weir-local' })
  // A connection that the server closes while it starts or stops is told here, too, and not only to the query.
  client.on('error', () => {})
  try {
    await client.connect()
    return (await client.query(text)).rows
  } finally {
    await client.end()
  }
}

/** The owner may create databases: the tests clone one for each test. */
async function createDatabase(port: number, password: string): Promise<void> {
  const url = superuserUrl(port, password)
  const present = await query(url, `SELECT 1 FROM pg_database WHERE datname = '${OWNER}'`)
  if (present.length > 0) return
  const roles = await query(url, `SELECT 1 FROM pg_roles WHERE rolname = '${OWNER}'`)
  if (roles.length === 0) await query(url, `CREATE ROLE ${OWNER} LOGIN CREATEDB PASSWORD '${password}'`)
  await query(url, `CREATE DATABASE ${OWNER} OWNER ${OWNER}`)
}

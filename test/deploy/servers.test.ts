import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { chmodSync, chownSync, copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import pg from 'pg'
import { parse } from 'yaml'
import { findPrograms } from '../../deploy/local/download.ts'
import { withFreePorts } from '../../deploy/local/free-ports.ts'
import { Guardian } from '../../deploy/local/guardian-client.ts'
import { findJava, javaEnvironment } from '../../deploy/local/java.ts'
import { postgresPrograms } from '../../deploy/local/postgres-programs.ts'
import { untilReady } from '../../deploy/local/ready.ts'
import { cacheDirectory } from '../../schemas/cache-directory.ts'
import { createKafka, createTopics } from '../../schemas/kafka.ts'
import { createLogger } from '../../schemas/log.ts'
import { loadSettings } from '../../schemas/settings.ts'

/**
 * Compose's settings of Kafka and PostgreSQL, in the same servers without containers. Only places and ports are changed.
 */

const quiet = createLogger('test', 'silent')
const programs = findPrograms(cacheDirectory(process.env.WEIR_CACHE_DIR))
const java = await findJava()
const missing =
  programs === null ? 'Kafka is not in the cache: npm test fetches it' : 'missing' in java && java.missing
if (missing) console.error(`LEFT OUT: ${missing}`)

async function guardian(t: TestContext): Promise<Guardian> {
  const started = await Guardian.start(null)
  t.after(() => started.close())
  return started
}

test('Kafka starts with Compose’s settings, and the pipeline can make its topics', {
  skip: missing,
}, async (t) => {
  const servers = await guardian(t)
  const at = join(servers.directory, 'kafka')
  mkdirSync(join(at, 'tmp'), { recursive: true })
  const shipped = readFileSync('deploy/compose/kafka/server.properties', 'utf8')
  const job = (log: string, main: string[]) => ({
    command: 'command' in java ? java.command : '',
    args: [`-Djava.io.tmpdir=${join(at, 'tmp')}`, '-Xmx512m', '-cp', join(programs!.kafka, '*'), ...main],
    env: javaEnvironment(),
    cwd: at,
    log: join(at, log),
    stop: ['SIGTERM', 'SIGKILL'] as ['SIGTERM', 'SIGKILL'],
  })
  await withFreePorts(2, undefined, async ([port, controllerPort]) => {
    const file = join(at, 'server.properties')
    const settings = shipped
      .replaceAll('127.0.0.1:9093', `127.0.0.1:${controllerPort}`)
      .replace('CLIENTS://:9092', `CLIENTS://127.0.0.1:${port}`)
      .replaceAll('kafka:9092', `127.0.0.1:${port}`)
      .replace('/var/lib/kafka/data', join(at, 'data'))
    assert.doesNotMatch(settings, /:909[23]\b|\/var\/lib/)
    writeFileSync(file, settings)
    const format = [
      'kafka.tools.StorageTool',
      'format',
      '--cluster-id=4L6g3nShT-eMCtK--X86sw',
      `--config=${file}`,
    ]
    await servers.run(job('format.log', format))
    const kafka = await servers.spawn(job('kafka.log', ['kafka.Kafka', file]))
    const admin = createKafka({ KAFKA_BROKERS: [`127.0.0.1:${port}`] }, 'weir-test', quiet).admin()
    await untilReady('Kafka', kafka, join(at, 'kafka.log'), 60, () => admin.connect())
    t.after(() => admin.disconnect())
    await createTopics(admin, loadSettings([], {}))
    assert.deepEqual((await admin.listTopics()).sort(), [
      'labels',
      'transactions',
      'transactions.dead-letter',
    ])
  })
})

/** PostgreSQL refuses root. */
const USER = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : null

test('PostgreSQL takes TLS with the certificate of secrets.sh, and a password, and nothing else', async (t) => {
  const servers = await guardian(t)
  const at = join(servers.directory, 'postgres')
  const secrets = join(servers.directory, 'secrets')
  execFileSync('deploy/compose/secrets.sh', ['--out', secrets], { stdio: 'ignore' })
  // Mounted, they are seen past the directory, which only their owner can enter.
  chmodSync(secrets, 0o711)
  mkdirSync(at, { mode: 0o700 })
  copyFileSync(join(secrets, 'postgres_key'), join(at, 'server.key'))
  chmodSync(join(at, 'server.key'), 0o600)
  if (USER !== null) for (const path of [at, join(at, 'server.key')]) chownSync(path, USER.uid, USER.gid)
  copyFileSync('deploy/compose/postgres/pg_hba.conf', join(servers.directory, 'pg_hba.conf'))

  const bin = postgresPrograms(servers.directory, USER)
  const service = parse(readFileSync('deploy/compose/compose.yaml', 'utf8'), {
    merge: true,
    maxAliasCount: -1,
  }).services.postgres
  const job = (log: string, command: string, args: string[]) => ({
    ...{ command: join(bin, command), args, env: { PATH: '/usr/bin:/bin', LC_ALL: 'C' }, cwd: at },
    ...{
      user: USER ?? undefined,
      log: join(servers.directory, log),
      stop: ['SIGINT', 'SIGQUIT'] as ['SIGINT', 'SIGQUIT'],
    },
  })
  const init = [
    ...service.environment.POSTGRES_INITDB_ARGS.split(' '),
    '--username=postgres',
    `--pwfile=${secrets}/postgres`,
  ]
  await servers.run(job('initdb.log', 'initdb', ['--pgdata=data', '--no-instructions', ...init]))
  const shipped = readFileSync('deploy/compose/postgres/start.sh', 'utf8')
    .replaceAll('/run/secrets', secrets)
    .replaceAll('/etc/weir', servers.directory)
    .replaceAll('/var/run/postgresql', at)
  const settings = [...shipped.matchAll(/^ {2}-c (\S+=\S+)/gm)].flatMap(([, setting]) => ['-c', setting])
  assert.ok(settings.length > 20, 'start.sh is read otherwise')
  await withFreePorts(1, undefined, async ([port]) => {
    const place = ['-c', `port=${port}`, '-c', 'listen_addresses=127.0.0.1', '-c', 'unix_socket_directories=']
    const server = await servers.spawn(job('postgres.log', 'postgres', ['-D', 'data', ...settings, ...place]))
    const password = readFileSync(join(secrets, 'postgres'), 'utf8').trim()
    const login = { host: '127.0.0.1', port, user: 'postgres', password, database: 'postgres' }
    const ssl = { ca: readFileSync(join(secrets, 'ca_crt'), 'utf8'), servername: 'postgres' }
    const connect = async (options: pg.ClientConfig): Promise<string> => {
      const client = new pg.Client({ ...login, ...options })
      client.on('error', () => {})
      try {
        await client.connect()
        return (await client.query('SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid()')).rows[0]
          .version
      } finally {
        await client.end().catch(() => {})
      }
    }
    await untilReady('PostgreSQL', server, join(servers.directory, 'postgres.log'), 60, () =>
      connect({ ssl }),
    )
    assert.equal(await connect({ ssl }), 'TLSv1.3')
    await assert.rejects(connect({}), /no pg_hba\.conf entry .*no encryption/)
    await assert.rejects(connect({ ssl, password: 'another' }), /password authentication failed/)
    await assert.rejects(connect({ ssl: { ...ssl, servername: 'other' } }), /altnames/)
  })
})

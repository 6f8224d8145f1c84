import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { describe, type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { type LocalServersOptions, startServers } from '../../deploy/local/servers.ts'
import { query, until } from '../harness.ts'

/** Only PostgreSQL is started: it takes a second, and the guardian treats all servers alike. */
const ONLY_POSTGRES: LocalServersOptions['settings'] = {
  KAFKA_BROKERS: ['127.0.0.1:1'],
  SCHEMA_REGISTRY_URL: 'http://127.0.0.1:1',
}

describe('local servers', () => {
  test('use what the settings name, and start nothing for it', async () => {
    const settings = {
      KAFKA_BROKERS: ['kafka.example:9092'],
      SCHEMA_REGISTRY_URL: 'http://registry.example',
      DATABASE_URL: 'postgres://weir@database.example/weir',
    }
    await using servers = await startServers({ settings })
    assert.deepEqual(servers.KAFKA_BROKERS, settings.KAFKA_BROKERS)
    assert.equal(servers.SCHEMA_REGISTRY_URL, settings.SCHEMA_REGISTRY_URL)
    assert.equal(servers.DATABASE_URL, settings.DATABASE_URL)
    assert.equal(servers.missing, null)
    assert.deepEqual([servers.kafka, servers.postgres], [undefined, undefined])
  })

  test('two at once do not meet', async () => {
    await using first = await startServers({ settings: ONLY_POSTGRES })
    await using second = await startServers({ settings: ONLY_POSTGRES })
    assert.notEqual(new URL(first.DATABASE_URL).port, new URL(second.DATABASE_URL).port)
    for (const { DATABASE_URL } of [first, second]) await query(DATABASE_URL, 'SELECT 1')
  })

  test('give a database whose owner is no superuser and whose commits are durable', async () => {
    await using servers = await startServers({ settings: ONLY_POSTGRES })
    const [role] = await query(
      servers.DATABASE_URL,
      'SELECT rolname, rolsuper, rolcreatedb, rolcreaterole FROM pg_roles WHERE rolname = current_user',
    )
    assert.deepEqual(role, { rolname: 'weir', rolsuper: false, rolcreatedb: true, rolcreaterole: false })
    const settings = await query<{ name: string; setting: string }>(
      servers.DATABASE_URL,
      `SELECT name, setting FROM pg_settings WHERE name IN ('fsync', 'full_page_writes', 'synchronous_commit',
         'listen_addresses', 'server_encoding', 'TimeZone') ORDER BY name`,
    )
    assert.deepEqual(Object.fromEntries(settings.map(({ name, setting }) => [name, setting])), {
      fsync: 'on',
      full_page_writes: 'on',
      synchronous_commit: 'on',
      listen_addresses: '127.0.0.1',
      server_encoding: 'UTF8',
      TimeZone: 'UTC',
    })
    const wrong = new URL(servers.DATABASE_URL)
    wrong.password = 'wrong'
    await assert.rejects(query(wrong.href, 'SELECT 1'), /password authentication failed/)
  })

  test('are gone after stop, and stopping twice does no harm', async () => {
    const servers = await startServers({ settings: ONLY_POSTGRES })
    await servers.stop()
    await servers.stop()
    assert.equal(existsSync(servers.directory), false)
    assert.equal(await isOpen(servers.DATABASE_URL), false)
  })

  test('are gone after a start that is given up', async (t) => {
    const temporary = temporaryDirectory(t)
    const parent = await startParent(
      t,
      { settings: ONLY_POSTGRES },
      { TMPDIR: temporary, waitForLine: false },
    )
    // Killed now, the guardian's answer to it meets a closed pipe.
    await until(() => installationsIn(temporary).length > 0, { what: 'the start' })
    parent.child.kill('SIGKILL')
    await until(() => installationsIn(temporary).length === 0, {
      what: 'the temporary directory to be deleted',
    })
    await until(() => processesIn(temporary).length === 0, { what: 'the processes to end' })
  })

  test('a PostgreSQL that is stopped and started is the same one', async () => {
    await using servers = await startServers({ settings: ONLY_POSTGRES })
    await query(servers.DATABASE_URL, 'CREATE TABLE kept (id int)')
    for (const mode of ['fast', 'immediate'] as const) {
      const before = servers.postgres!.pid()
      await servers.postgres!.stop(mode)
      await assert.rejects(query(servers.DATABASE_URL, 'SELECT 1'))
      await servers.postgres!.start()
      assert.notEqual(servers.postgres!.pid(), before)
      await query(servers.DATABASE_URL, 'SELECT * FROM kept')
    }
    process.kill(servers.postgres!.pid(), 'SIGKILL')
    await servers.postgres!.start()
    await query(servers.DATABASE_URL, 'SELECT * FROM kept')
  })
})

describe('kill -9', () => {
  for (const whom of ['the parent', 'the guardian', 'both']) {
    // What ends the servers when parent and guardian die at once is Linux's alone.
    const skip = whom !== 'the parent' && process.platform !== 'linux' ? 'needs /proc' : false
    test(`of ${whom} leaves no process, port or file`, { skip }, async (t) => {
      const temporary = temporaryDirectory(t)
      const { child, told } = await startParent(t, { settings: ONLY_POSTGRES }, { TMPDIR: temporary })
      assert.equal(await isOpen(told.DATABASE_URL!), true)
      // Alone in the directory itself: the servers work in their own below it.
      const guardian = processesIn(told.directory!, (cwd) => cwd === told.directory)[0]
      if (process.platform === 'linux') assert.ok(guardian)
      if (whom !== 'the parent') process.kill(guardian!, 'SIGKILL')
      if (whom !== 'the guardian') child.kill('SIGKILL')
      await until(async () => !(await isOpen(told.DATABASE_URL!)), { what: 'the port to be closed' })
      await until(() => processesIn(temporary).length === 0, { what: 'the processes to end' })
      if (whom === 'both') {
        // Nobody was left to delete the data: the next start does.
        const next = await startParent(t, { settings: ONLY_POSTGRES }, { TMPDIR: temporary })
        await until(() => !existsSync(told.directory!), { what: 'the data to be deleted' })
        next.child.kill('SIGKILL')
      }
      await until(() => installationsIn(temporary).length === 0, { what: 'the files to be deleted' })
    })
  }
})

describe('a kept directory', () => {
  test('has its data, its address and its password at the next start', async (t) => {
    const keep = join(temporaryDirectory(t), 'kept')
    const first = await startServers({ settings: ONLY_POSTGRES, keep })
    await query(first.DATABASE_URL, 'CREATE TABLE kept AS SELECT 42 AS answer')
    await first.stop()
    await using second = await startServers({ settings: ONLY_POSTGRES, keep })
    assert.equal(second.DATABASE_URL, first.DATABASE_URL)
    assert.deepEqual(await query(second.DATABASE_URL, 'SELECT answer FROM kept'), [{ answer: 42 }])
  })

  test('that was deleted meanwhile keeps nothing running', { timeout: 60_000 }, async (t) => {
    const keep = join(temporaryDirectory(t), 'kept')
    const servers = await startServers({ settings: ONLY_POSTGRES, keep })
    rmSync(keep, { recursive: true })
    await servers.stop()
    assert.equal(await isOpen(servers.DATABASE_URL), false)
  })

  test('takes another port when its own is in use', async (t) => {
    const keep = join(temporaryDirectory(t), 'kept')
    const first = await startServers({ settings: ONLY_POSTGRES, keep })
    await first.stop()
    const squatter = createServer().listen(Number(new URL(first.DATABASE_URL).port), '127.0.0.1')
    await once(squatter, 'listening')
    t.after(() => squatter.close())
    await using second = await startServers({ settings: ONLY_POSTGRES, keep })
    assert.notEqual(second.DATABASE_URL, first.DATABASE_URL)
    await query(second.DATABASE_URL, 'SELECT 1')
  })

  test('is refused while another installation runs on it, and free when that was killed', async (t) => {
    const keep = join(temporaryDirectory(t), 'kept')
    const { child, told } = await startParent(t, { settings: ONLY_POSTGRES, keep })
    await assert.rejects(startServers({ settings: ONLY_POSTGRES, keep }), /kept is in use by another running/)
    await query(told.DATABASE_URL!, 'SELECT 1')
    child.kill('SIGKILL')
    await until(async () => !(await isOpen(told.DATABASE_URL!)), { what: 'the servers to end' })
    await until(() => !existsSync(join(keep, 'in-use.sock')), { what: 'the directory to be free' })
    await using again = await startServers({ settings: ONLY_POSTGRES, keep })
    await query(again.DATABASE_URL, 'SELECT 1')
  })

  test('that does not start says what its log says, and leaves nothing running', async (t) => {
    const keep = join(temporaryDirectory(t), 'kept')
    const first = await startServers({ settings: ONLY_POSTGRES, keep })
    await first.stop()
    writeFileSync(join(keep, 'postgres', 'data', 'PG_VERSION'), '9.6\n')
    await assert.rejects(
      startServers({ settings: ONLY_POSTGRES, keep }),
      /PostgreSQL did not start \(exit code 1\)[\s\S]*postgres.log:[\s\S]*database files are incompatible with server/,
    )
    assert.deepEqual(processesIn(keep), [])
  })
})

describe('Java and Maven', () => {
  test('that are missing leave PostgreSQL, and are named with how to get them', async (t) => {
    const empty = temporaryDirectory(t)
    const { told } = await startParent(t, { settings: { WEIR_CACHE_DIR: empty } }, { PATH: empty })
    assert.deepEqual([told.KAFKA_BROKERS, told.SCHEMA_REGISTRY_URL], [null, null])
    assert.match(
      told.missing!,
      /^Without Kafka and the schema registry\. Java is not installed .*install a Java/,
    )
    assert.match(told.missing!, /Maven is not installed .*apt install maven/)
    assert.match(told.missing!, /Or set KAFKA_BROKERS and SCHEMA_REGISTRY_URL/)
    await query(told.DATABASE_URL!, 'SELECT 1')
  })

  test('that are too old are told so', async (t) => {
    const path = fakePrograms(t, { java: 'echo \'openjdk version "11.0.2"\' >&2' })
    const { told } = await startParent(t, { settings: { WEIR_CACHE_DIR: path } }, { PATH: path })
    assert.match(told.missing!, /java is Java 11, which is too old/)
  })

  test('a download that fails says so, and leaves nothing', async (t) => {
    const cache = temporaryDirectory(t)
    const path = fakePrograms(t, { java: JAVA_17, mvn: 'echo "Could not resolve host"; exit 1' })
    const { told } = await startParent(t, { settings: { WEIR_CACHE_DIR: cache } }, { PATH: path })
    assert.match(
      told.error!,
      /downloading .* failed \(mvn: exit code 1\)\. Is the network there[\s\S]*Could not resolve host/,
    )
    await until(() => readdirSync(cache).length === 0, { what: 'the cache to be empty' })
  })

  test('a download with other contents than it must have is not used', async (t) => {
    const cache = temporaryDirectory(t)
    const into =
      'for a in "$@"; do case $a in -DoutputDirectory=*) d=$(expr "$a" : "[^=]*=\\(.*\\)");; esac; done; mkdir -p "$d"'
    const mvn = `${into}; echo broken > "$d/kafka_2.13-4.1.1.jar"; echo more > "$d/other.jar"`
    const path = fakePrograms(t, { java: JAVA_17, mvn })
    const { told } = await startParent(
      t,
      { settings: { WEIR_CACHE_DIR: cache } },
      { PATH: `${path}:/usr/bin:/bin` },
    )
    assert.match(told.error!, /is not what it must be, and was thrown away/)
    assert.match(told.error!, /kafka_2.13-4.1.1.jar has the SHA-256 \w{64}, expected \w{64}/)
    assert.match(told.error!, /kafka-clients-4.1.1.jar is missing/)
    assert.match(told.error!, /other.jar is not in the list/)
    await until(() => readdirSync(cache).length === 0, { what: 'the cache to be empty' })
  })
})

const JAVA_17 = 'echo \'openjdk version "17.0.1"\' >&2'

interface Told {
  DATABASE_URL?: string
  KAFKA_BROKERS?: string[] | null
  SCHEMA_REGISTRY_URL?: string | null
  missing?: string
  directory?: string
  pid?: number
  error?: string
}

/** A process that starts servers, and what it tells of them. Killed at the test's end. */
async function startParent(
  t: TestContext,
  options: LocalServersOptions,
  { waitForLine = true, ...env }: { waitForLine?: boolean; PATH?: string; TMPDIR?: string } = {},
): Promise<{ child: ChildProcess; told: Told }> {
  const program = fileURLToPath(new URL('../servers-parent.ts', import.meta.url))
  const child = spawn(process.execPath, ['--import', 'tsx', program, JSON.stringify(options)], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { PATH: process.env.PATH, HOME: process.env.HOME, ...env },
  })
  t.after(() => child.kill('SIGKILL'))
  if (!waitForLine) return { child, told: {} }
  const [line] = await once(createInterface(child.stdout!), 'line')
  return { child, told: JSON.parse(line) }
}

function temporaryDirectory(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'test-'))
  // As root, PostgreSQL runs as nobody, who must get in.
  chmodSync(directory, 0o755)
  t.after(() => rmSync(directory, { recursive: true, force: true, maxRetries: 5 }))
  return directory
}

/** A directory of shell scripts to stand for programs. */
function fakePrograms(t: TestContext, programs: Record<string, string>): string {
  const directory = join(temporaryDirectory(t), 'bin')
  mkdirSync(directory)
  for (const [name, script] of Object.entries(programs))
    writeFileSync(join(directory, name), `#!/bin/sh\n${script}\n`, { mode: 0o755 })
  return directory
}

function isOpen(databaseUrl: string): Promise<boolean> {
  return new Promise((done) => {
    const socket = connect(Number(new URL(databaseUrl).port), '127.0.0.1')
    socket.once('connect', () => {
      socket.destroy()
      done(true)
    })
    socket.once('error', () => done(false))
  })
}

/** What installations keep below a directory for temporary files (which is not Weir's alone). */
const installationsIn = (directory: string): string[] =>
  readdirSync(directory).filter((name) => name.startsWith('weir-'))

/** Ids of the processes that work in or below the directory, where the system tells (Linux). */
function processesIn(directory: string, matches = (cwd: string) => cwd.startsWith(directory)): number[] {
  if (process.platform !== 'linux') return []
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        return matches(readlinkSync(`/proc/${pid}/cwd`))
      } catch {
        return false
      }
    })
}

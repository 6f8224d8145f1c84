import { createHash } from 'node:crypto'
import { createReadStream, existsSync, readdirSync, readFileSync } from 'node:fs'
import { access, constants, mkdir, mkdtemp, readFile, rename, rm } from 'node:fs/promises'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { type DownloadProgress, downloadProgress } from './download-progress.ts'
import type { Guardian } from './guardian-client.ts'
import { lastLines } from './log-file.ts'

/**
 * Fetches Kafka and the schema registry, once, by Maven with the user's own Maven settings (mirrors, proxies), into
 * the cache directory. Every file must have the checksum of checksums.sha256 before it is used. To renew that list
 * after a change of pom.xml: `mvn dependency:copy-dependencies -DoutputDirectory=DIR`, and `sha256sum *` in DIR.
 */

const pom = fileURLToPath(new URL('./pom.xml', import.meta.url))
const checksumsText = readFileSync(new URL('./checksums.sha256', import.meta.url), 'utf8')
const checksums = new Map(
  checksumsText
    .trim()
    .split('\n')
    .map((line) => line.split(/\s+/).reverse() as [file: string, sum: string]),
)
/** The download in all, for the progress bar. */
const TOTAL_BYTES = 186_400_000

/** Where the programs are. */
export interface Programs {
  /** Kafka's jars. */
  kafka: string
  /** The registry's runner jar. */
  registryJar: string
}

/** A list of other checksums is another installation: an upgrade never runs on old files. */
const installed = (cache: string): string =>
  join(cache, `servers-${createHash('sha256').update(checksumsText).digest('hex').slice(0, 12)}`)

/** The programs, when they are in the cache already. */
export function findPrograms(cache: string): Programs | null {
  const directory = installed(cache)
  return existsSync(directory) ? programsIn(directory) : null
}

function programsIn(directory: string): Programs {
  const registry = join(directory, 'registry')
  const jar = readdirSync(registry).find((file) => file.endsWith('-runner.jar'))
  if (jar === undefined) throw new Error(`${registry} is incomplete: delete ${directory} and start again`)
  return { kafka: join(directory, 'kafka'), registryJar: join(registry, jar) }
}

/**
 * Downloads and verifies the programs. Two that do it at once do not meet: each works in a directory of its own, and
 * the second to finish takes the first one's.
 * @throws when Maven fails or a file is not what it must be
 */
export async function downloadPrograms(
  cache: string,
  maven: string,
  guardian: Guardian,
  say: ((line: string) => void) | undefined,
): Promise<Programs> {
  await mkdir(cache, { recursive: true })
  const work = await mkdtemp(join(cache, 'download-'))
  guardian.removeAtEnd(work)
  const files = join(work, 'files')
  const progress = downloadProgress('Kafka and the schema registry, once', TOTAL_BYTES, say)
  try {
    await runMaven(maven, work, files, guardian, progress)
  } finally {
    progress.stop()
  }
  say?.('Verifying and unpacking ...')
  await verify(files)
  const ready = join(work, 'ready')
  await unpack(files, ready, work, guardian)
  await rename(ready, installed(cache)).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error
  })
  await rm(work, { recursive: true, force: true })
  return programsIn(installed(cache))
}

/** A stalled connection is given up after a minute, instead of Maven's half an hour (before and since 3.9). */
const STALLED = ['-Dmaven.wagon.rto=60000', '-Daether.connector.requestTimeout=60000']

async function runMaven(
  maven: string,
  work: string,
  files: string,
  guardian: Guardian,
  progress: DownloadProgress,
): Promise<void> {
  const log = join(guardian.directory, 'download.log')
  const args = ['-f', pom, '-Dstyle.color=never', ...STALLED, ...(await localRepository(work))]
  const { exited } = await guardian.spawn({
    command: maven,
    args: [...args, 'dependency:copy-dependencies', '-DincludeScope=runtime', `-DoutputDirectory=${files}`],
    env: process.env as Record<string, string>,
    log,
    stop: ['SIGTERM', 'SIGKILL'],
  })
  const watch = new AbortController()
  const watched = follow(log, progress, watch.signal)
  const exit = await exited
  watch.abort()
  await watched
  if (!exit.ok) {
    throw new Error(
      `downloading Kafka and the schema registry failed (mvn: ${exit.how}). Is the network there, and does Maven ` +
        `reach its repository (mirrors and proxies: ~/.m2/settings.xml)? Start again to try again.\n${lastLines(log)}`,
    )
  }
}

/** Maven's own, unless the user's home cannot have one (a service user's often does not exist). */
async function localRepository(work: string): Promise<string[]> {
  const usable = await access(userInfo().homedir, constants.W_OK).then(
    () => true,
    () => false,
  )
  return usable ? [] : [`-Dmaven.repo.local=${join(work, 'm2')}`]
}

async function follow(log: string, progress: DownloadProgress, until: AbortSignal): Promise<void> {
  while (!until.aborted) {
    progress.read(await readFile(log, 'utf8').catch(() => ''))
    await sleep(250, undefined, { signal: until }).catch(() => {})
  }
}

async function verify(directory: string): Promise<void> {
  const found = new Set(readdirSync(directory))
  const faults: string[] = []
  for (const [file, expected] of checksums) {
    if (!found.delete(file)) faults.push(`${file} is missing`)
    else {
      const got = await sha256(join(directory, file))
      if (got !== expected) faults.push(`${file} has the SHA-256 ${got}, expected ${expected}`)
    }
  }
  for (const file of found) faults.push(`${file} is not in the list of checksums`)
  if (faults.length === 0) return
  throw new Error(
    `the download of Kafka and the schema registry is not what it must be, and was thrown away:\n` +
      `${faults.map((fault) => `  - ${fault}`).join('\n')}\n` +
      "A damaged copy may be in Maven's own store: delete those files below ~/.m2/repository and start again.",
  )
}

async function sha256(file: string): Promise<string> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(file, { highWaterMark: 1 << 20 }), hash)
  return hash.digest('hex')
}

async function unpack(files: string, ready: string, work: string, guardian: Guardian): Promise<void> {
  await mkdir(join(ready, 'registry'), { recursive: true })
  const archive = [...checksums.keys()].find((file) => file.endsWith('.tar.gz'))!
  await guardian.run({
    command: 'tar',
    args: ['-xzf', join(files, archive), '-C', join(ready, 'registry')],
    env: { PATH: process.env.PATH ?? '' },
    log: join(work, 'unpack.log'),
    stop: ['SIGTERM', 'SIGKILL'],
  })
  await rm(join(files, archive))
  await rename(files, join(ready, 'kafka'))
}

import { execFileSync } from 'node:child_process'
import { chownSync, mkdtempSync, rmdirSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { controllableServers, query, until } from '../../harness.ts'
import type { Ctx } from '../scenario.ts'
import { World } from '../world.ts'

const SMALL = '16m'
const LARGE = '1g'

/** The months' tables on a disk that is full after some thousand rows, and is then made larger. */
export async function diskFull(ctx: Ctx): Promise<void> {
  const disk = smallDisk(ctx)
  if (disk === null) return ctx.note('disk full: left out, since a tmpfs cannot be mounted here')
  const { DATABASE_URL, directory } = await controllableServers(ctx)
  const server = statSync(join(directory, 'postgres'))
  chownSync(disk, server.uid, server.gid)
  const asSuperuser = new URL(DATABASE_URL)
  asSuperuser.username = 'postgres'
  const owner = new URL(DATABASE_URL).username
  for (const text of [
    `CREATE TABLESPACE small LOCATION '${disk}'`,
    `GRANT CREATE ON TABLESPACE small TO ${owner}`,
    `ALTER DATABASE ${owner} SET default_tablespace = small`,
  ])
    await query(asSuperuser.href, text)

  const world = await World.open(ctx, { rate: 3000, env: { DATABASE_URL, BATCH_MAX_RECORDS: '500' } })
  world.sender.start()
  const process = world.start()
  await until(() => process.errors.includes('53100'), { seconds: 60, what: 'the full disk in the log' })
  const before = await world.progress()
  await sleep(3000)
  ctx.hold('X', before > 0, 'the disk was full from the beginning')
  mount('remount', LARGE, disk)
  const seconds = await world.untilProgress('progress once the disk is larger')
  ctx.note(`disk full after ${before} records: went on ${seconds.toFixed(1)} s after it was made larger`)
  await world.conclude()
}

/** @returns null where it may not be mounted */
function smallDisk(ctx: Ctx): string | null {
  const directory = mkdtempSync(join(tmpdir(), 'weir-disk-'))
  ctx.after(() => rmdirSync(directory))
  try {
    mount('rw', SMALL, directory)
  } catch {
    return null
  }
  ctx.after(() => execFileSync('umount', [directory], { stdio: 'ignore' }))
  return directory
}

const mount = (how: 'rw' | 'remount', size: string, directory: string) =>
  execFileSync('mount', ['-t', 'tmpfs', '-o', `${how},size=${size}`, 'weir-test', directory], {
    stdio: 'ignore',
  })

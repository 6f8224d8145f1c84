import { setTimeout as sleep } from 'node:timers/promises'
import { withClient } from '../../../schemas/database.ts'
import type { Transaction } from '../../../schemas/transaction.ts'
import { controllableServers, query, until } from '../../harness.ts'
import { databaseProxy, tellsOfCommit } from '../../support/database-proxy.ts'
import { simulated } from '../../support/simulated.ts'
import { positions } from '../../support/tables.ts'
import { handles, health, logLines, residentMb, sampled } from '../process-facts.ts'
import type { Scenario } from '../scenario.ts'
import { sleepUpTo, World } from '../world.ts'
import { diskFull } from './disk.ts'

export const databaseKilled: Scenario = {
  id: 'F7',
  title: 'PostgreSQL killed in the middle of a COPY, many times',
  quick: false,
  async run(ctx) {
    const { DATABASE_URL, postgres } = await controllableServers(ctx)
    // Large batches: a COPY that lasts can be met.
    const world = await World.open(ctx, { rate: 3000, env: { DATABASE_URL, BATCH_MAX_RECORDS: '2000' } })
    await world.sender.send(3000)
    world.sender.start()
    world.start()
    const rounds = ctx.quick ? 3 : 8
    let met = 0
    for (let round = 0; round < rounds; round++) {
      await world.untilProgress(`progress before kill ${round}`)
      if (await isCopying(DATABASE_URL)) met++
      await postgres.stop('immediate')
      await sleepUpTo(ctx, 1500)
      await postgres.start()
    }
    ctx.hold('X', met > 0, 'no kill met a COPY')
    ctx.note(`${rounds} kills, ${met} while a COPY ran`)
    await world.conclude()
  },
}

/** Waits for a COPY that runs. */
const isCopying = (url: string): Promise<boolean> =>
  withClient({ connectionString: url, application_name: 'weir-faults' }, async (client) => {
    for (const end = performance.now() + 3000; performance.now() < end; ) {
      const { rowCount } = await client.query('SELECT 1 FROM pg_stat_progress_copy')
      if (rowCount) return true
    }
    return false
  })

const NOTICED_SECONDS = 10

export const databaseAway: Scenario = {
  id: 'F8',
  title: 'PostgreSQL away while input goes on at full rate, three times',
  quick: false,
  async run(ctx) {
    const { DATABASE_URL, postgres } = await controllableServers(ctx)
    const world = await World.open(ctx, { rate: 1500, env: { DATABASE_URL, BATCH_MAX_RECORDS: '1000' } })
    world.sender.start()
    const process = world.start()
    const outages = [60, 15, 15]
    const resident: number[] = []
    const open: number[] = []
    for (const [round, seconds] of outages.entries()) {
      await world.untilProgress(`progress before outage ${round}`)
      await sleep(2000)
      await postgres.stop('fast')
      const before = logLines(process)
      const seen = await sampled(seconds, async () => ({
        mb: residentMb(process),
        live: await health(process, 'live'),
        ready: await health(process, 'ready'),
      }))
      const settled = seen[Math.min(seen.length - 1, 16)].mb
      const last = seen.at(-1)!
      ctx.hold(
        'H',
        seen.every(({ live }) => live === 200),
        '/health/live was not 200 all the time',
      )
      ctx.hold(
        'R',
        last.mb < settled * 1.1 + 10,
        `resident memory grew from ${settled.toFixed(0)} to ${last.mb.toFixed(0)} MB in ${seconds} s`,
      )
      const noticed = seen.slice(2 * NOTICED_SECONDS)
      ctx.hold(
        'H',
        noticed.every(({ ready }) => ready === 503),
        '/health/ready was not 503 from 10 s on',
      )
      const lines = logLines(process) - before
      ctx.hold('R', lines < 60, `${lines} log lines in ${seconds} s`)
      await postgres.start()
      const back = await world.untilProgress(`progress after outage ${round}`)
      await until(async () => (await health(process, 'ready')) === 200, {
        what: '/health/ready to be 200 again',
      })
      await until(async () => (await world.lag()) < 3000, {
        seconds: 60,
        what: 'the backlog to be worked off',
      })
      resident.push(residentMb(process))
      open.push(handles(process))
      ctx.note(
        `${seconds} s away: ${settled.toFixed(0)} to ${last.mb.toFixed(0)} MB, ${lines} log lines, ready ${last.ready}; ` +
          `progress ${back.toFixed(1)} s after it was back`,
      )
    }
    ctx.hold(
      'R',
      resident[2] < resident[0] * 1.1 + 10,
      `resident memory climbs: ${resident.map(Math.round)} MB`,
    )
    ctx.hold('R', open[2] <= open[0] * 1.1 + 2, `handles climb: ${open}`)
    await world.conclude()
  },
}

export const commitCut: Scenario = {
  id: 'F9',
  title: 'connection cut after the COMMIT was asked for, before its answer',
  quick: false,
  async run(ctx) {
    const world = await World.open(ctx)
    // A process that cannot start ends with the cause, and whoever started it tries again: not what this is about.
    let isStarted = false
    const { DATABASE_URL, TRANSACTIONS_TOPIC } = world.settings
    const proxy = await databaseProxy(ctx, DATABASE_URL, {
      toClient: (bytes) => (isStarted && tellsOfCommit(bytes) && ctx.random() < 0.2 ? 'cut' : 'pass'),
      async atCut({ asked }) {
        const reached = await positions(DATABASE_URL, TRANSACTIONS_TOPIC)
        const landed = asked.every((move) => reached[move.partition].next_offset === move.next_offset)
        ctx.hold('X', landed, 'a cut met a transaction that had not committed')
      },
    })
    world.sender.start()
    const process = world.start({ DATABASE_URL: proxy.url })
    await world.untilProgress('the first records')
    isStarted = true
    const cuts = ctx.quick ? 15 : 60
    await until(() => proxy.cuts >= cuts, { seconds: 120, what: `${cuts} cuts` })
    ctx.note(`${proxy.cuts} cuts`)
    ctx.hold(
      'X',
      !process.errors.includes('moved by somebody else'),
      'a batch did not know its own COMMIT and took the partition anew',
    )
    await world.conclude()
  },
}

export const databaseRefuses: Scenario = {
  id: 'F10',
  title: 'deadlock, statement timeout, read-only server, out of connections, disk full',
  quick: true,
  async run(ctx) {
    const world = await World.open(ctx)
    const name = new URL(world.settings.DATABASE_URL).pathname.slice(1)
    // From another database: its own settings do not bind who sets them there.
    const alter = (how: string) =>
      query(ownerUrl(world.settings.DATABASE_URL), `ALTER DATABASE ${name} ${how}`)
    // Sessions keep the settings that they began with.
    const endSessions = () =>
      query(
        ownerUrl(world.settings.DATABASE_URL),
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE datname = '${name}' AND application_name LIKE 'weir-pipeline%'`,
      )
    const process = world.start()
    await world.sender.send(500)
    await until(async () => (await world.lag()) === 0, { seconds: 30, what: 'the first progress' })
    await deadlock(world)
    await until(() => process.errors.includes('40P01'), { seconds: 20, what: 'the deadlock in the log' })
    world.sender.start()
    ctx.note(`deadlock: went on after ${(await world.untilProgress('a deadlock')).toFixed(1)} s`)

    const faults: [what: string, code: string, begin: string, end: string][] = [
      [
        'read-only server',
        '25006',
        'SET default_transaction_read_only = on',
        'RESET default_transaction_read_only',
      ],
      ['statement timeout', '57014', `SET statement_timeout = '1ms'`, 'RESET statement_timeout'],
      ['out of connections', '53300', 'CONNECTION LIMIT 0', 'CONNECTION LIMIT -1'],
    ]
    for (const [what, code, begin, end] of faults) {
      await alter(begin)
      await endSessions()
      await until(() => process.errors.includes(code), { seconds: 20, what: `${what}: ${code} in the log` })
      await sleep(1000)
      await alter(end)
      await endSessions()
      ctx.note(`${what}: went on after ${(await world.untilProgress(what)).toFixed(1)} s`)
    }
    await world.conclude()
    if (!ctx.quick) await diskFull(ctx)
  },
}

function ownerUrl(url: string): string {
  const owner = new URL(url)
  owner.pathname = owner.username
  return owner.href
}

/** PostgreSQL looks for a deadlock once in each wait, so on a busy machine the session may be refused instead of the lane. */
async function deadlock(world: World): Promise<void> {
  for (const transaction of simulated(10, 7)) {
    try {
      return await deadlockOnce(world, transaction)
    } catch (error) {
      if ((error as { code?: string }).code !== '40P01') throw error
    }
  }
}

/**
 * A session holds the positions, for which the lane waits with its row written; then it inserts that very row. The lane
 * waits longer, so it is the lane whose look for a deadlock finds one, and which is refused.
 */
async function deadlockOnce({ settings, sender }: World, transaction: Transaction): Promise<void> {
  const options = { connectionString: settings.DATABASE_URL, application_name: 'weir-faults' }
  await withClient(options, async (client) => {
    await client.query('BEGIN')
    await client.query('SELECT 1 FROM positions FOR UPDATE')
    await sender.sendPieces([{ id: transaction.transaction_id, kind: 'good', transaction }])
    const waits = `SELECT 1 FROM pg_stat_activity
      WHERE wait_event_type = 'Lock' AND query LIKE '%move_positions%' AND datname = current_database()`
    await until(async () => (await query(settings.DATABASE_URL, waits)).length > 0, {
      what: 'a lane that waits',
    })
    await client.query(
      `INSERT INTO transactions (transaction_id, account_id, timestamp, amount, currency, merchant_category, location,
         channel, score, is_anomaly, rules_version, model_version, kafka_partition, kafka_offset)
       VALUES ($1, 'x', $2, 1, 'EUR', '', '', 'ATM', 0, false, '', '', 0, 0)`,
      [transaction.transaction_id, new Date(transaction.timestamp).toISOString()],
    )
    await client.query('ROLLBACK')
  })
}

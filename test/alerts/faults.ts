import { setTimeout as sleep } from 'node:timers/promises'
import { createKey, endKey } from '../../api/auth/key-changes.ts'
import type { Query } from '../../api/sql/database.ts'
import { DAY } from '../../schemas/time.ts'
import type { Installation } from './installation.ts'

/** Something that is broken for real. */
export interface Fault {
  id: string
  title: string
  /** The alert that must find it. */
  alert: string
  /** True where it is told by the past: then there must be some. */
  needsPast?: boolean
  /** Does it. @returns the cure */
  make(installation: Installation): Promise<() => Promise<unknown>>
}

/** Holds a lock in an open transaction. */
async function hold({ connect }: Installation, lock: string): Promise<() => Promise<void>> {
  const client = await connect()
  await client.query('BEGIN')
  await client.query(lock)
  return () => client.end()
}

/** Holds a lock for a while, lets go for a while, again and again. */
async function pulse(
  { connect }: Installation,
  lock: string,
  { heldMs, freeMs }: { heldMs: number; freeMs: number },
): Promise<() => Promise<void>> {
  const client = await connect()
  let isOver = false
  const pulsing = (async () => {
    while (!isOver) {
      await client.query('BEGIN')
      await client.query(lock)
      await sleep(heldMs)
      await client.query('COMMIT')
      await sleep(freeMs)
    }
  })()
  pulsing.catch(() => {})
  return async () => {
    isOver = true
    await pulsing
    await client.end()
  }
}

/** Writes past the API, as the tables' owner: triggers are switched off. */
async function alter({ connect }: Installation, statement: string): Promise<void> {
  const client = await connect()
  await client.query(
    `BEGIN; ALTER TABLE status_audit DISABLE TRIGGER USER; ${statement}; ALTER TABLE status_audit ENABLE TRIGGER USER; COMMIT`,
  )
  await client.end()
}

export const faults: Fault[] = [
  {
    id: 'database-stopped',
    title: 'PostgreSQL is stopped',
    alert: 'WeirDatabaseDown',
    async make({ servers }) {
      await servers.postgres.stop('fast')
      return () => servers.postgres.start()
    },
  },
  {
    id: 'pipeline-killed',
    title: 'the pipeline is killed',
    alert: 'WeirDetectionDown',
    async make({ pipeline }) {
      pipeline.process.signal('SIGKILL')
      return async () => pipeline.start()
    },
  },
  {
    id: 'pipeline-stopped',
    title: 'the pipeline is stopped (SIGSTOP)',
    alert: 'WeirDetectionDown',
    async make({ pipeline }) {
      pipeline.process.signal('SIGSTOP')
      return async () => pipeline.process.signal('SIGCONT')
    },
  },
  {
    id: 'api-killed',
    title: 'the API is killed',
    alert: 'WeirApiDown',
    async make({ api }) {
      api.process.signal('SIGKILL')
      return () => api.start()
    },
  },
  {
    id: 'api-errors',
    title: 'a lock makes calls run into the statement timeout',
    alert: 'WeirApiErrors',
    make: (installation) => hold(installation, 'LOCK TABLE rule_sets IN ACCESS EXCLUSIVE MODE'),
  },
  {
    id: 'api-slow',
    title: 'locks of 1.4 s make calls slow',
    alert: 'WeirApiLatency',
    make: (installation) =>
      pulse(installation, 'LOCK TABLE rule_sets IN ACCESS EXCLUSIVE MODE', { heldMs: 1400, freeMs: 50 }),
  },
  {
    id: 'poison',
    title: 'a fifth of the records cannot be read',
    alert: 'WeirProcessingErrors',
    async make({ send }) {
      const poison = send({ name: 'poison', isPoison: true }, 50)
      return () => poison.stop()
    },
  },
  {
    id: 'no-transactions',
    title: 'the producer stops',
    alert: 'WeirNoTransactions',
    needsPast: true,
    async make({ usual }) {
      await usual.stop()
      return async () => usual.start()
    },
  },
  {
    id: 'volume-spike',
    title: 'eight times as many transactions come in',
    alert: 'WeirVolumeSpike',
    needsPast: true,
    async make({ send }) {
      const more = send({ name: 'more' }, 1400)
      return () => more.stop()
    },
  },
  {
    id: 'fraud-spike',
    title: '50 transactions of 9,000 EUR a second',
    alert: 'WeirFraudSpike',
    needsPast: true,
    async make({ send }) {
      const large = send({ name: 'large', amount: 9000 }, 50)
      return () => large.stop()
    },
  },
  {
    id: 'lag',
    title: 'locks of 3 s slow the database down while more comes in',
    alert: 'WeirLagGrowing',
    async make(installation) {
      const more = installation.send({ name: 'more' }, 1400)
      const free = await pulse(installation, 'LOCK TABLE transactions IN SHARE MODE', {
        heldMs: 3000,
        freeMs: 10,
      })
      return () => Promise.all([more.stop(), free()])
    },
  },
  {
    id: 'stalled',
    title: 'a lock keeps the pipeline from storing',
    alert: 'WeirConsumerStalled',
    make: (installation) => hold(installation, 'LOCK TABLE transactions IN SHARE MODE'),
  },
  {
    id: 'old-checkpoint',
    title: 'a lock keeps checkpoints from being written',
    alert: 'WeirOldCheckpoint',
    make: (installation) => hold(installation, 'LOCK TABLE checkpoints IN EXCLUSIVE MODE'),
  },
  {
    id: 'audit-altered',
    title: 'a row of the audit is edited by the owner of the table',
    alert: 'WeirAuditBroken',
    async make(installation) {
      await alter(installation, `UPDATE status_audit SET actor = actor || '!' WHERE seq = 1`)
      return () => alter(installation, `UPDATE status_audit SET actor = left(actor, -1) WHERE seq = 1`)
    },
  },
  {
    id: 'key-expiring',
    title: 'a key has five days left',
    alert: 'WeirKeyExpiring',
    async make({ connect }) {
      const client = await connect()
      const query = (async (text, values) => (await client.query(text, values)).rows) as Query
      const expires_at = new Date(Date.now() + 5 * DAY)
      const { id } = await createKey(query, { name: 'expiring', scopes: ['read'], expires_at }, 'test')
      return async () => {
        await endKey(query, id, 'test')
        await client.end()
      }
    },
  },
  {
    id: 'kafka-killed',
    title: 'Kafka is killed',
    alert: 'WeirServerDown',
    async make({ servers }) {
      await servers.kafka.kill('SIGKILL')
      return () => servers.kafka.start()
    },
  },
]

import { createInterface } from 'node:readline/promises'
import type pg from 'pg'
import { withClient } from '../../schemas/database.ts'
import { counted } from '../../schemas/printable.ts'
import { type Entry, filtered, named } from './entries.ts'
import { splitOrigin } from './letter.ts'
import { type FilterOptions, filterOf } from './options.ts'
import { lockReplays, readReplays } from './replays.ts'
import { sendAgain } from './send-again.ts'
import { readEntries, type Session } from './session.ts'

export interface ReplayOptions extends FilterOptions {
  again?: true
  dryRun?: true
  yes?: true
}

export type ReplaySession = Session & { databaseUrl: string }

/** Sends the dead letters that the filters let through to the transactions topic, and notes that in the database. */
export async function replay(
  session: ReplaySession,
  origins: string[],
  options: ReplayOptions,
): Promise<void> {
  const connection = { connectionString: session.databaseUrl, application_name: 'weir-dead-letters' }
  const topic = session.settings.TRANSACTIONS_TOPIC
  if (!(await session.admin.listTopics()).includes(topic))
    throw new Error(`the topic ${topic} (TRANSACTIONS_TOPIC) does not exist in this Kafka: nothing was sent`)
  await withClient(connection, async (client) => {
    await lockReplays(client)
    const entries = await selected(session, client, origins, options)
    if (entries.length === 0) {
      console.log('nothing to replay')
      return
    }
    const what = `${counted(entries.length, 'dead letter')} to ${session.settings.TRANSACTIONS_TOPIC}`
    if (options.dryRun) {
      for (const { origin, newest } of entries) console.log(`${origin}  ${newest.code}`)
      console.error(`would send ${what}`)
    } else if (options.yes || (await confirmed(`Send ${what}?`, session.signal)))
      await sendAndTell(session, client, entries)
    else console.log('nothing was sent')
  })
}

/** What is to be sent; what is left out, and why, is told on stderr. */
async function selected(
  session: ReplaySession,
  client: pg.Client,
  origins: string[],
  { again, ...options }: ReplayOptions,
): Promise<Entry[]> {
  const replays = await readReplays(client)
  const all = await readEntries(session)
  const asked = filtered(origins.length > 0 ? named(all, origins) : all, filterOf(options))
  // One dead-letter topic may serve several: what came from another topic is no transaction of this one.
  const topic = session.settings.TRANSACTIONS_TOPIC
  const ours = asked.filter((entry) => splitOrigin(entry.first.origin).topic === topic)
  if (ours.length < asked.length)
    console.error(`left out: ${asked.length - ours.length} that came from another topic than ${topic}`)
  const whole = ours.filter((entry) => !entry.first.isCut)
  if (whole.length < ours.length)
    console.error(
      `left out: ${ours.length - whole.length} that were too large, of which only a part is there`,
    )
  const fresh = again ? whole : whole.filter((entry) => !replays.has(entry.id))
  const old = whole.filter((entry) => replays.has(entry.id))
  if (!again && old.length > 0) {
    const returned = old.filter((entry) => entry.returned > 0).length
    const back = returned > 0 ? `, of which ${returned} came back as dead letters` : ''
    console.error(`left out: ${old.length} that were replayed before${back} (--again sends them again)`)
  }
  return fresh
}

async function sendAndTell(session: ReplaySession, client: pg.Client, entries: Entry[]): Promise<void> {
  const result = { sent: 0, refused: 0 }
  try {
    await sendAgain(session, client, entries, result)
  } finally {
    const missing = entries.length - result.sent
    const rest = missing > 0 ? `; ${missing} not sent` : ''
    console.log(`${counted(result.sent, 'dead letter')} replayed${rest}`)
  }
  if (result.refused > 0) process.exitCode = 1
  console.error('What is still bad comes back under the same origin: npm run dead-letters -- list')
}

async function confirmed(question: string, signal: AbortSignal): Promise<boolean> {
  if (!process.stdin.isTTY || !process.stderr.isTTY)
    throw new Error('nothing was sent: there is no terminal to ask on; say --yes, or --dry-run to look first')
  const asking = createInterface({ input: process.stdin, output: process.stderr })
  try {
    // In raw mode Ctrl-C comes as a key: passed on as the signal that it would have been.
    asking.on('SIGINT', () => process.kill(process.pid, 'SIGINT'))
    return /^y(es)?$/i.test((await asking.question(`${question} [y/N] `, { signal })).trim())
  } finally {
    asking.close()
  }
}

import type { TestContext } from 'node:test'
import { type PipelineSettings, startPipeline } from '../../pipeline/main.ts'
import type { RunningPipeline } from '../../pipeline/run.ts'
import { freshDatabase, query, until } from '../harness.ts'
import { positions } from './tables.ts'
import { endOffsets, quiet } from './topics.ts'

/** Starts a pipeline in this process; disposing of it stops it, before the topics and the database are gone. */
export async function runningPipeline(
  settings: PipelineSettings,
): Promise<RunningPipeline & AsyncDisposable> {
  const pipeline = await startPipeline(settings, quiet)
  return { ...pipeline, [Symbol.asyncDispose]: pipeline.stop }
}

/** Waits until everything that is in the topic now has been processed. */
export async function untilProcessed(
  settings: PipelineSettings,
  { pipeline, seconds = 30 }: { pipeline?: RunningPipeline; seconds?: number } = {},
): Promise<void> {
  const ends = await endOffsets(settings)
  const processed = until(
    async () => {
      const reached = await positions(settings.DATABASE_URL, settings.TRANSACTIONS_TOPIC)
      return reached.length === ends.length && reached.every((p, i) => p.next_offset >= ends[i])
    },
    { seconds, what: `positions at ${ends}` },
  )
  await Promise.race([processed, pipeline?.done.then(() => processed) ?? processed])
}

/** Runs a pipeline over what the topic holds now, then stops it. */
export async function runToEnd(settings: PipelineSettings, seconds = 30): Promise<void> {
  await using pipeline = await runningPipeline(settings)
  await untilProcessed(settings, { pipeline, seconds })
}

/** The same topic for another pipeline: with a database and a group of its own. */
export async function anotherRun<S extends PipelineSettings>(
  t: Pick<TestContext, 'after'>,
  settings: S,
  given: Partial<PipelineSettings> = {},
): Promise<S> {
  const DATABASE_URL = await freshDatabase(t)
  return {
    ...settings,
    DATABASE_URL,
    KAFKA_GROUP_ID: `${settings.KAFKA_GROUP_ID}-${new URL(DATABASE_URL).pathname.slice(1)}`,
    ...given,
  }
}

/** Positions as if nothing had been processed; the rows stay. */
export const forgetPositions = (url: string): Promise<object[]> =>
  query(url, 'UPDATE positions SET next_offset = 0')

/**
 * Waits until each partition has a checkpoint at its position: then what a process has in memory can be looked at.
 * @param since only checkpoints that were completed after this count
 */
export async function untilCheckpointed(
  { DATABASE_URL, TRANSACTIONS_TOPIC }: Pick<PipelineSettings, 'DATABASE_URL' | 'TRANSACTIONS_TOPIC'>,
  since = new Date(0),
): Promise<void> {
  const unsaved = `SELECT partition FROM positions WHERE topic = $1 AND NOT EXISTS (
    SELECT FROM checkpoints AS saved WHERE saved.topic = positions.topic AND saved.partition = positions.partition
    AND position = next_offset AND completed_at > $2)`
  await until(async () => (await query(DATABASE_URL, unsaved, [TRANSACTIONS_TOPIC, since])).length === 0, {
    seconds: 15,
    what: 'a checkpoint at each position',
  })
}

import { setTimeout as sleep } from 'node:timers/promises'
import { createClient } from '../schemas/database.ts'
import { monotonicMs } from './clock.ts'
import { CommitTimes } from './commit-times.ts'

/** Looks at the positions all the time, and keeps when each was first seen. */
export interface PositionWatch extends AsyncDisposable {
  commits: CommitTimes
  /** Positions that are there: partitions that the pipeline has taken. */
  readonly taken: number
  /** Records behind the positions. */
  readonly stored: number
  /**
   * Resolves with the time of the look, by {@link monotonicMs}, after which `isSo` was true first.
   * @throws when nothing moves for a minute, or looking failed
   */
  until(isSo: (watch: PositionWatch) => boolean): Promise<number>
}

const STALL_MS = 60_000

/**
 * @param url of a database where one topic's positions are, which begin at 0
 * @param everyMs between a look's answer and the next look
 */
export async function watchPositions(
  url: string,
  everyMs: number,
  signal: AbortSignal,
): Promise<PositionWatch> {
  const client = createClient({ connectionString: url, application_name: 'weir-bench-latency' })
  await client.connect()
  const commits = new CommitTimes()
  const end = new AbortController()
  const ended = AbortSignal.any([end.signal, signal])
  let onLook: (at: number) => void = () => {}
  const looking = (async () => {
    while (!ended.aborted) {
      const { rows } = await client.query<{ partition: number; next_offset: number }>({
        name: 'positions',
        text: 'SELECT partition, next_offset FROM positions',
      })
      const at = monotonicMs() // of the answer: it errs against the pipeline
      for (const { partition, next_offset } of rows) commits.see(partition, next_offset, at)
      onLook(at)
      await sleep(everyMs, undefined, { signal: ended }).catch(() => {})
    }
    signal.throwIfAborted()
  })()
  looking.catch(() => {}) // whoever waits for something sees it
  const watch: PositionWatch = {
    commits,
    get taken() {
      return commits.partitions
    },
    get stored() {
      return commits.total
    },
    until(isSo) {
      const { promise, resolve, reject } = Promise.withResolvers<number>()
      looking.catch(reject)
      let moved = { total: -1, at: monotonicMs() }
      onLook = (at) => {
        if (isSo(watch)) resolve(at)
        if (commits.total !== moved.total) moved = { total: commits.total, at }
        else if (at - moved.at > STALL_MS)
          reject(new Error(`the pipeline stands still at ${commits.total} for ${STALL_MS / 1000} s`))
      }
      return promise
    },
    async [Symbol.asyncDispose]() {
      end.abort()
      await looking.catch(() => {})
      await client.end()
    },
  }
  return watch
}

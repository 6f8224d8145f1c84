import { setTimeout as sleep } from 'node:timers/promises'
import { monotonicMs } from './clock.ts'

/** Records that are due at fixed times, whatever became of the ones before: nothing that is slow slows the input. */
export interface OpenLoop {
  records: number
  /** Records a second. */
  rate: number
}

export interface Sending extends OpenLoop {
  /** When the first record is due, by {@link monotonicMs}. */
  begin: number
  /** Which of the records are sent here. */
  isOurs: (n: number) => boolean
  /** Resolves once Kafka has acknowledged them. */
  send: (records: number[]) => Promise<void>
  /** Told of each record: when it was due, handed to the client, and acknowledged. */
  onSent: (n: number, due: number, sent: number, acknowledged: number) => void
}

/** Kafka's own clients linger so long by default, for what shares a request. */
const LINGER_MS = 5
/** Below message.max.bytes, 1 MiB by default, if they are all of one partition. */
const REQUEST_RECORDS = 4000

/** When record `n` (from 0 on) is due, in milliseconds after the beginning. */
export const dueAt = (n: number, { rate }: OpenLoop): number => (n * 1000) / rate

/** How many records are due so many milliseconds after the beginning: 0 before it, at most all. */
export function dueBy(ms: number, loop: OpenLoop): number {
  if (ms < 0) return 0
  let due = Math.min(loop.records, Math.floor((ms * loop.rate) / 1000) + 1)
  // The product and the quotient are rounded differently.
  while (due > 0 && dueAt(due - 1, loop) > ms) due--
  while (due < loop.records && dueAt(due, loop) <= ms) due++
  return due
}

/** Sends records as they come due, in their order. What comes due while a request is under way shares the next one. */
export async function sendOpenLoop({ begin, isOurs, send, onSent, ...loop }: Sending): Promise<void> {
  for (let n = 0; n < loop.records; ) {
    const due = dueBy(monotonicMs() - begin, loop)
    const batch: number[] = []
    for (; n < due && batch.length < REQUEST_RECORDS; n++) if (isOurs(n)) batch.push(n)
    if (batch.length > 0) {
      const sent = monotonicMs()
      await send(batch)
      const acknowledged = monotonicMs()
      for (const one of batch) onSent(one, begin + dueAt(one, loop), sent, acknowledged)
    }
    if (n >= due && n < loop.records) await sleep(untilNextTick(monotonicMs() - begin))
  }
}

const untilNextTick = (ms: number): number => (ms < 0 ? -ms : LINGER_MS - (ms % LINGER_MS))

import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { PortTaken } from './free-ports.ts'
import type { Running } from './guardian-client.ts'
import { lastLines } from './log-file.ts'

const POLL_MS = 50
const ATTEMPT_MS = 3000
/** As PostgreSQL and Kafka say it, and as the registry does. */
const PORT_TAKEN = /address already in use|port \d+ seems to be in use/i

/**
 * Waits until a server that was started answers.
 * @param answers resolves when it is ready, rejects while it is not
 * @throws when it ends or is not ready in time, with the last lines of its log; PortTaken when that was the cause
 */
export async function untilReady(
  name: string,
  server: Running,
  log: string,
  seconds: number,
  answers: () => Promise<unknown>,
): Promise<void> {
  let ended: string | null = null
  void server.exited.then((exit) => {
    ended = exit.how
  })
  const logStart = readLog(log).length
  const deadline = Date.now() + seconds * 1000
  while (!(await succeeds(answers))) {
    if (PORT_TAKEN.test(readLog(log).slice(logStart))) {
      // Kafka would linger for ten seconds more.
      server.signal('SIGKILL')
      await server.exited
      throw new PortTaken(`${name} lost its port to another process.\n${lastLines(log)}`)
    }
    if (ended !== null) {
      throw new Error(`${name} did not start (${ended}). If it fails again, this is why.\n${lastLines(log)}`)
    }
    if (Date.now() > deadline) {
      throw new Error(
        `${name} runs but does not answer after ${seconds} s. Is the machine very busy? Start again.\n${lastLines(log)}`,
      )
    }
    await sleep(POLL_MS)
  }
}

/** A foreign process on the server's port may never answer. */
const succeeds = (attempt: () => Promise<unknown>): Promise<boolean> =>
  Promise.race([
    attempt().then(
      () => true,
      () => false,
    ),
    sleep(ATTEMPT_MS, false, { ref: false }),
  ])

function readLog(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}

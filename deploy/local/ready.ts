import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { PortTaken } from './free-ports.ts'
import type { Running } from './guardian-client.ts'
import { lastLines } from './log-file.ts'

const POLL_MS = 50

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
  for (;;) {
    const ready = await answers().then(
      () => true,
      () => false,
    )
    if (ready) return
    if (ended !== null) {
      const said = readLog(log).slice(logStart)
      const text = `${name} did not start (${ended}). Start again; if it stays, the log says why.\n${lastLines(log)}`
      throw /address already in use/i.test(said) ? new PortTaken(text) : new Error(text)
    }
    if (Date.now() > deadline) {
      throw new Error(
        `${name} runs but does not answer after ${seconds} s. Is the machine very busy? Start again.\n${lastLines(log)}`,
      )
    }
    await sleep(POLL_MS)
  }
}

function readLog(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}

import { createServer } from 'node:net'

/** A server could not have its port because another process took it after it was found to be free. */
export class PortTaken extends Error {}

const TRIES = 3

/**
 * Runs a start with free ports of 127.0.0.1, again with others when one was lost in a race.
 * @param preferred ports of the last start, taken again when they are free
 */
export async function withFreePorts<T>(
  count: number,
  preferred: readonly number[] | undefined,
  start: (ports: number[]) => Promise<T>,
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await start(await freePorts(count, attempt === 1 ? (preferred ?? []) : []))
    } catch (error) {
      if (!(error instanceof PortTaken) || attempt === TRIES) throw error
    }
  }
}

/** All are held until the last is found, so that no port is given twice. */
async function freePorts(count: number, preferred: readonly number[]): Promise<number[]> {
  const held = await Promise.all(
    Array.from({ length: count }, async (_, i) => (await listen(preferred[i] ?? 0)) ?? (await listen(0))!),
  )
  await Promise.all(held.map(({ release }) => release()))
  return held.map(({ port }) => port)
}

function listen(
  port: number,
  host = '127.0.0.1',
): Promise<{ port: number; release: () => Promise<void> } | null> {
  return new Promise((done) => {
    const server = createServer()
    server.once('error', () => done(null))
    server.listen(port, host, () => {
      const address = server.address() as { port: number }
      done({ port: address.port, release: () => new Promise((closed) => server.close(() => closed())) })
    })
  })
}

/** @returns the port if it is free on the host, else one that is */
export async function freePort(host: string, port: number): Promise<number> {
  const held = (await listen(port, host)) ?? (await listen(0, host))
  if (held === null) throw new Error(`cannot listen on HOST ${host}`)
  await held.release()
  return held.port
}

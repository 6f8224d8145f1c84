import { readdirSync, rmSync, statSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A listening socket marks a directory as in use: unlike a file with a process id it cannot outlive its owner. */
const SOCKET = 'in-use.sock'
export const PREFIX = 'weir-'

/**
 * Marks the working directory as in use by this process. (By a relative path: a socket's has at most some 100 bytes.)
 * @returns what releases it; null when another process has it
 */
export async function claim(): Promise<(() => void) | null> {
  for (let attempt = 1; attempt <= 2; attempt++) {
    const refused = await listen()
    // A file system without sockets: PostgreSQL's and Kafka's own locks must do.
    if (refused !== null && refused !== 'EADDRINUSE') return () => {}
    if (refused === null) return release
    if (await answers(SOCKET)) return null
    release()
  }
  return null
}

/** The directory may be gone: somebody deleted it meanwhile. */
const release = (): void => rmSync(SOCKET, { force: true })

/** Deletes what installations left that were killed together with their guardians. */
export async function sweep(): Promise<void> {
  for (const name of readdirSync(tmpdir()).filter((file) => file.startsWith(PREFIX))) {
    const directory = join(tmpdir(), name)
    const socket = join(directory, SOCKET)
    const mine = statSync(socket, { throwIfNoEntry: false })?.uid === process.getuid?.()
    if (mine && !(await answers(socket))) rmSync(directory, { recursive: true, force: true })
  }
}

/** @returns null when it listens, else the error's code */
function listen(): Promise<string | null> {
  return new Promise((done) => {
    const server = createServer((socket) => socket.destroy())
    server.once('error', (error: NodeJS.ErrnoException) => done(error.code ?? 'unknown'))
    server.listen(SOCKET, () => done(null))
  })
}

function answers(socket: string): Promise<boolean> {
  return new Promise((done) => {
    const probe = connect(socket)
    probe.once('connect', () => {
      probe.destroy()
      done(true)
    })
    probe.once('error', () => done(false))
  })
}

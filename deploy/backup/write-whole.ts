import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { open, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'

export interface Written {
  /** Bytes. */
  size: number
  /** Hex. */
  sha256: string
}

/** Its name until it is complete. */
export const partialOf = (path: string): string => `${path}.partial`

/**
 * Writes a file that is either there with all of its content, on the disk, or not there. Only this user can read it.
 * @param content what it throws ends the work
 * @throws when the file is there already, when it cannot be written (a full disk), and what the content throws; what was
 * written until then is removed
 */
export async function writeWhole(
  path: string,
  content: string | AsyncIterable<Uint8Array>,
): Promise<Written> {
  const partial = partialOf(path)
  refuseExisting(path)
  const file = await open(partial, 'wx', 0o600)
  const hash = createHash('sha256')
  let size = 0
  async function* measured(): AsyncGenerator<Uint8Array> {
    for await (const chunk of typeof content === 'string' ? [Buffer.from(content)] : content) {
      hash.update(chunk)
      size += chunk.length
      yield chunk
    }
  }
  try {
    try {
      await file.writeFile(measured())
      await file.sync()
    } finally {
      await file.close()
    }
    refuseExisting(path)
    await rename(partial, path)
  } catch (error) {
    await rm(partial, { force: true })
    throw (error as NodeJS.ErrnoException).syscall === 'write' ? notWritten(path, error as Error) : error
  }
  await syncDirectory(path)
  return { size, sha256: hash.digest('hex') }
}

function refuseExisting(path: string): void {
  if (existsSync(path)) throw new Error(`${path} is there already`)
}

const notWritten = (path: string, cause: Error): Error =>
  new Error(`${path} could not be written, and what was there of it is removed: ${cause.message}`, { cause })

/** The name itself must outlive a power cut, too. */
async function syncDirectory(path: string): Promise<void> {
  const directory = await open(dirname(path), 'r')
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}

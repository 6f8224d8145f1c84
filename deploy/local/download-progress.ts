import { Presets, SingleBar } from 'cli-progress'

export interface DownloadProgress {
  /** Takes Maven's output so far. */
  read(output: string): void
  stop(): void
}

const LINE_EVERY_MS = 3000
const UNITS: Record<string, number> = { B: 1, kB: 1e3, MB: 1e6, GB: 1e9 }
const MB = 1e6

/**
 * Shows a download: a bar on a terminal, else a line every few seconds.
 * @param what what is downloaded
 * @param total bytes
 * @param say takes the lines; nothing is shown without it
 */
export function downloadProgress(
  what: string,
  total: number,
  say: ((line: string) => void) | undefined,
): DownloadProgress {
  if (say === undefined) return { read() {}, stop() {} }
  const megabytes = (bytes: number) => Math.min(Math.round(bytes / MB), Math.round(total / MB))
  if (process.stderr.isTTY) {
    const bar = new SingleBar(
      { stream: process.stderr, format: `Downloading ${what} {bar} {value}/{total} MB`, hideCursor: true },
      Presets.shades_classic,
    )
    bar.start(megabytes(total), 0)
    return {
      read: (output) => bar.update(megabytes(downloadedBytes(output))),
      stop: () => bar.stop(),
    }
  }
  let said = 0
  return {
    read(output) {
      if (Date.now() - said < LINE_EVERY_MS) return
      said = Date.now()
      say(`Downloading ${what}: ${megabytes(downloadedBytes(output))} of ${megabytes(total)} MB`)
    },
    stop() {},
  }
}

/** What Maven says it has: files that are finished, and the state of those under way in its last progress line. */
export function downloadedBytes(output: string): number {
  let bytes = 0
  for (const [, size, unit] of output.matchAll(/Downloaded from .*?\(([\d.]+) (B|kB|MB|GB) at/g)) {
    bytes += Number(size) * UNITS[unit]
  }
  const line = output.slice(Math.max(output.lastIndexOf('Progress ('), output.lastIndexOf('Downloaded from')))
  if (!line.startsWith('Progress (')) return bytes
  for (const [, size, unit] of line.matchAll(/([\d.]+)(?:\/[\d.]+)? (B|kB|MB|GB)/g))
    bytes += Number(size) * UNITS[unit]
  return bytes
}

import { Presets, SingleBar } from 'cli-progress'

/** Milliseconds between two lines of progress where there is no terminal. */
const LINE_INTERVAL = 10_000

export interface ProgressLine {
  /**
   * @param count what is done
   * @param fraction of the work that is done, 0..1; undefined where there is no end to measure by
   */
  update(count: number, fraction: number | undefined): void
  /** Writes a line, above the bar if there is one. */
  note(text: string): void
  stop(): void
}

/**
 * Shows on stderr how far the work is: a bar on a terminal, else a line every ten seconds.
 * @param what is counted, as it stands behind the number
 */
export function createProgressLine(stderr: NodeJS.WriteStream, what: string): ProgressLine {
  return stderr.isTTY ? bar(stderr, what) : lines(stderr, what)
}

const { format } = new Intl.NumberFormat('en-US')

function lines(stderr: NodeJS.WriteStream, what: string): ProgressLine {
  let shownAt = performance.now()
  return {
    update(count, fraction) {
      if (performance.now() - shownAt < LINE_INTERVAL) return
      shownAt = performance.now()
      const share = fraction === undefined ? '' : ` (${Math.floor(fraction * 100)} %)`
      stderr.write(`${format(count)} ${what}${share}\n`)
    },
    note: (text) => void stderr.write(`${text}\n`),
    stop() {},
  }
}

function bar(stderr: NodeJS.WriteStream, what: string): ProgressLine {
  let started: number | undefined
  const single = new SingleBar(
    {
      stream: stderr,
      format: `{bar} {percentage}% | {count} ${what} | {rate}/s`,
      clearOnComplete: true,
      hideCursor: true,
      // Ctrl-C is the command's own to handle.
      gracefulExit: false,
    },
    Presets.shades_classic,
  )
  return {
    update(count, fraction = 0) {
      if (started === undefined) single.start(1, 0, { count: 0, rate: 0 })
      started ??= performance.now()
      const seconds = (performance.now() - started) / 1000
      const rate = seconds > 0 ? format(Math.round(count / seconds)) : 0
      single.update(fraction, { count: format(count), rate })
    },
    note(text) {
      if (started === undefined) {
        stderr.write(`${text}\n`)
        return
      }
      stderr.write(`\r\x1b[K${text}\n`)
      single.render()
    },
    stop: () => single.stop(),
  }
}

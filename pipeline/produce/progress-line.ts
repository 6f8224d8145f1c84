import { Presets, SingleBar } from 'cli-progress'
import type { Progress } from './produce.ts'

/** Milliseconds between two lines of progress where there is no terminal. */
const LINE_INTERVAL = 10_000

export interface ProgressLine {
  /** @param fraction of the work that is done, 0..1; undefined where there is no end to measure by */
  update(progress: Progress, fraction: number | undefined): void
  /** Writes a line, above the bar if there is one. */
  note(text: string): void
  stop(): void
}

/** Shows on stderr how far the work is: a bar on a terminal, else a line every ten seconds. */
export function createProgressLine(stderr: NodeJS.WriteStream): ProgressLine {
  return stderr.isTTY ? bar(stderr) : lines(stderr)
}

const count = (n: number): string => n.toLocaleString('en-US')

function lines(stderr: NodeJS.WriteStream): ProgressLine {
  let shownAt = performance.now()
  return {
    update({ produced }, fraction) {
      if (performance.now() - shownAt < LINE_INTERVAL) return
      shownAt = performance.now()
      const share = fraction === undefined ? '' : ` (${Math.floor(fraction * 100)} %)`
      stderr.write(`${count(produced)} records acknowledged${share}\n`)
    },
    note: (text) => void stderr.write(`${text}\n`),
    stop() {},
  }
}

function bar(stderr: NodeJS.WriteStream): ProgressLine {
  let started: number | undefined
  const single = new SingleBar(
    {
      stream: stderr,
      format: '{bar} {percentage}% | {produced} records acknowledged | {rate}/s',
      clearOnComplete: true,
      hideCursor: true,
      // Ctrl-C is the command's own to handle.
      gracefulExit: false,
    },
    Presets.shades_classic,
  )
  return {
    update({ produced }, fraction = 0) {
      if (started === undefined) single.start(1, 0, { produced: 0, rate: 0 })
      started ??= performance.now()
      const seconds = (performance.now() - started) / 1000
      const rate = seconds > 0 ? count(Math.round(produced / seconds)) : 0
      single.update(fraction, { produced: count(produced), rate })
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

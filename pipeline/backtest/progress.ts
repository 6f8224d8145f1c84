import { Presets, SingleBar } from 'cli-progress'

/** Milliseconds between two lines where there is no terminal. */
const LINE_INTERVAL = 10_000

export interface Progress {
  /** @param fraction of the input that was read, 0..1; undefined where there is no end to measure by */
  update(transactions: number, fraction: number | undefined): void
  stop(): void
}

/** Shows on stderr how far the work is: a bar on a terminal, else a line every ten seconds. */
export const createProgress = (stderr: NodeJS.WriteStream): Progress =>
  stderr.isTTY ? bar(stderr) : lines(stderr)

const count = (n: number): string => n.toLocaleString('en-US')

function lines(stderr: NodeJS.WriteStream): Progress {
  let shownAt = performance.now()
  return {
    update(transactions, fraction) {
      if (performance.now() - shownAt < LINE_INTERVAL) return
      shownAt = performance.now()
      const share = fraction === undefined ? '' : ` (${Math.floor(fraction * 100)} %)`
      stderr.write(`${count(transactions)} transactions${share}\n`)
    },
    stop() {},
  }
}

function bar(stderr: NodeJS.WriteStream): Progress {
  const single = new SingleBar(
    {
      stream: stderr,
      format: '{bar} {percentage}% | {transactions} transactions | {rate}/s',
      clearOnComplete: true,
      hideCursor: true,
      // Ctrl-C is the command's own to handle.
      gracefulExit: false,
    },
    Presets.shades_classic,
  )
  const started = performance.now()
  single.start(1, 0, { transactions: 0, rate: 0 })
  return {
    update(transactions, fraction = 0) {
      const rate = count(Math.round((transactions / (performance.now() - started)) * 1000))
      single.update(fraction, { transactions: count(transactions), rate })
    },
    stop: () => single.stop(),
  }
}

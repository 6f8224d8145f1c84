import { Presets, SingleBar } from 'cli-progress'

/** Milliseconds between two lines where there is no terminal. */
const LINE_INTERVAL = 10_000

export interface Progress {
  /** One more record was read. */
  step(): void
  stop(): void
}

/** Shows on stderr how many records of so many were read: a bar on a terminal, else a line every ten seconds. */
export function createProgress(stderr: NodeJS.WriteStream, total: number): Progress {
  let read = 0
  if (stderr.isTTY) {
    const bar = new SingleBar(
      {
        stream: stderr,
        format: '{bar} {percentage}% | {value} of {total} records read',
        clearOnComplete: true,
        hideCursor: true,
        // Ctrl-C is the command's own to handle.
        gracefulExit: false,
      },
      Presets.shades_classic,
    )
    bar.start(total, 0)
    return { step: () => bar.update(++read), stop: () => bar.stop() }
  }
  let shownAt = performance.now()
  return {
    step() {
      read++
      if (performance.now() - shownAt < LINE_INTERVAL) return
      shownAt = performance.now()
      stderr.write(`${read} of ${total} records read\n`)
    },
    stop() {},
  }
}

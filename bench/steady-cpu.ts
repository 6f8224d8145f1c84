/** Processor time until now, microseconds; null where it is not known. */
export type CpuTimes = Record<Part, number | null>
export const PARTS = ['pipeline', 'postgres', 'kafka'] as const
export type Part = (typeof PARTS)[number]

export interface SteadyFigures {
  /** Transactions a second. */
  steady_tps: number
  /** Seconds of processor time for a million transactions; null where it is not known. */
  cpu_s_per_million: Record<Part | 'total', number | null>
}

interface Look {
  stored: number
  /** Milliseconds. */
  at: number
  times: CpuTimes
}

/**
 * What comes before is the start: code that is not compiled yet, and partitions that move while workers join. It would
 * weigh on a short run as it never does on a stream.
 */
const BEGIN = 0.2
/** At both ends the pipeline is ahead of what is stored by as much: only so do time and records belong together. */
const END = 0.8

/** Rate and processor times from the first look that sees a fifth of the records stored, to the first of four fifths. */
export class SteadyCpu {
  readonly #records: number
  #begin: Look | null = null
  #end: Look | null = null

  constructor(records: number) {
    this.#records = records
  }

  /** @param read is called for the first look and the last one only: it takes its time */
  look(stored: number, at: number, read: () => CpuTimes): void {
    if (stored >= this.#records * BEGIN) this.#begin ??= { stored, at, times: read() }
    if (stored >= this.#records * END) this.#end ??= { stored, at, times: read() }
  }

  /** @throws when so many were stored between two looks */
  figures(): SteadyFigures {
    const [begin, end] = [this.#begin, this.#end]
    if (begin === null || end === null || begin.stored === end.stored)
      throw new Error(`${this.#records} records are stored too soon to be measured: take more --records`)
    const stored = end.stored - begin.stored
    const perMillion = (part: Part): number | null => {
      const [from, to] = [begin.times[part], end.times[part]]
      // Microseconds for a transaction are seconds for a million.
      return from === null || to === null ? null : (to - from) / stored
    }
    const cpu = Object.fromEntries(PARTS.map((part) => [part, perMillion(part)])) as CpuTimes
    return {
      steady_tps: Math.round((stored / (end.at - begin.at)) * 1000),
      cpu_s_per_million: { ...cpu, total: sumOf(PARTS.map((part) => cpu[part])) },
    }
  }
}

const sumOf = (values: (number | null)[]): number | null =>
  values.includes(null) ? null : values.reduce<number>((sum, value) => sum + value!, 0)

import { build, type Histogram } from 'hdr-histogram-js'

/** Times in milliseconds, kept in microseconds to three digits: an HDR histogram. */
export class Latencies {
  readonly #histogram: Histogram = build({ numberOfSignificantValueDigits: 3 })

  #max = 0

  add(ms: number): void {
    const us = Math.max(0, Math.round(ms * 1000))
    this.#histogram.recordValue(us)
    this.#max = Math.max(this.#max, us)
  }

  get count(): number {
    return this.#histogram.totalCount
  }

  /** @param percent 0..100 @returns milliseconds, at most 0.1 % too high; 0 when there are none */
  at(percent: number): number {
    return Math.min(this.#histogram.getValueAtPercentile(percent), this.#max) / 1000
  }

  get max(): number {
    return this.#max / 1000
  }
}

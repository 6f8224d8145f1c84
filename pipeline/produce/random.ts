/** Random draws that a seed repeats: the simulator's only source of chance. */
export interface Random {
  /** Evenly from [0, 1). */
  unit(): number
  /** Evenly from [from, to). */
  between(from: number, to: number): number
  /** An integer, evenly from [from, to]. */
  integer(from: number, to: number): number
  /** True with this probability. */
  chance(probability: number): boolean
  pick<T>(items: readonly T[]): T
  /** From the standard normal distribution. */
  normal(): number
  /** From the exponential distribution: the gap between two events that come at random. */
  exponential(mean: number): number
}

/**
 * The generator sfc32 (PractRand's), seeded by any number of integers.
 * @param seeds safe integers; the same ones give the same draws
 */
export function createRandom(...seeds: number[]): Random {
  const unit = sfc32(seeds)
  const between = (from: number, to: number) => from + (to - from) * unit()
  const integer = (from: number, to: number) => from + Math.floor(unit() * (to - from + 1))
  return {
    unit,
    between,
    integer,
    chance: (probability) => unit() < probability,
    pick: (items) => items[integer(0, items.length - 1)],
    // Box and Muller's transform; 1 - unit() is never 0.
    normal: () => Math.sqrt(-2 * Math.log(1 - unit())) * Math.cos(2 * Math.PI * unit()),
    exponential: (mean) => -mean * Math.log(1 - unit()),
  }
}

function sfc32(seeds: number[]): () => number {
  let [a, b, c, counter] = [0x9e3779b9, 0x243f6a88, 0xb7e15162, 1]
  const next = (): number => {
    const sum = (a + b + counter++) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = ((c << 21) | (c >>> 11)) + sum
    return sum >>> 0
  }
  for (const seed of seeds) {
    a ^= seed | 0
    b ^= Math.floor(seed / 2 ** 32) | 0
    // Mixed until no trace of a seed's bits is left.
    for (let i = 0; i < 12; i++) next()
  }
  return () => next() / 2 ** 32
}

/** What a pipeline's log says about checkpoints and recovery. */
export class PipelineLog {
  readonly taken = new Map<number, TakenPartition>()
  readonly checkpoints: WrittenCheckpoint[] = []

  /** @param line of its stderr; what is not one of these messages is passed over */
  readonly read = (line: string): void => {
    const entry = parse(line)
    if (entry?.msg === 'partition taken') this.taken.set(entry.partition, entry)
    if (entry?.msg === 'checkpoint written') this.checkpoints.push(entry)
  }

  /** Sum over the partitions taken. */
  sum(what: 'replayed' | 'accounts' | 'ms'): number {
    return [...this.taken.values()].reduce((sum, partition) => sum + partition[what], 0)
  }
}

interface TakenPartition {
  msg: 'partition taken'
  partition: number
  /** Transactions observed again, from the table. */
  replayed: number
  accounts: number
  /** Milliseconds to read the checkpoint and to observe what came after it. */
  ms: number
}

interface WrittenCheckpoint {
  msg: 'checkpoint written'
  partition: number
}

/** A line of the runtime's, such as a warning, is no JSON. */
function parse(line: string): TakenPartition | WrittenCheckpoint | { msg?: undefined } | null {
  try {
    return JSON.parse(line)
  } catch {
    return null
  }
}

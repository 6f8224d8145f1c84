import type { Random } from '../../pipeline/produce/random.ts'

/** What a seed decides beforehand. */
export interface Plan {
  partitions: number
  recordsPerPartition: number
  /** Share of the records that are there at the start. */
  shareAtStart: number
  processes: number
  lanes: number
  queueBatches: number
  batchMaxRecords: number
  /** Records that are stored together, at most. */
  commitRecords: number
  latenessMs: number
  checkpointMs: number
  /** Mean time that a message travels. */
  latencyMs: number
  /** Share of the messages that travel ten times as long. */
  slowShare: number
  /** Probability that a call fails. */
  faultShare: number
  /** Mean time between a crash, a freeze, an outage … */
  disasterMs: number
  /** How long disasters and faults go on. */
  troubledMs: number
}

const HOUR = 3_600_000

export const drawPlan = (random: Random): Plan => ({
  partitions: random.integer(1, 3),
  recordsPerPartition: random.integer(10, 60),
  shareAtStart: random.pick([0, 0.5, 1]),
  processes: random.pick([1, 1, 2, 2, 3]),
  lanes: random.integer(1, 3),
  queueBatches: random.integer(1, 4),
  batchMaxRecords: random.integer(1, 12),
  commitRecords: random.integer(1, 30),
  latenessMs: random.pick([HOUR, 24 * HOUR]),
  checkpointMs: random.pick([100, 1000]),
  latencyMs: random.pick([1, 3, 10]),
  slowShare: random.pick([0, 0.05, 0.2]),
  faultShare: random.pick([0, 0.01, 0.03, 0.06]),
  disasterMs: random.pick([100, 300, 1000]),
  troubledMs: random.integer(300, 3000),
})

/** Small and without any trouble, for a fault that is put in by number. */
export const quietPlan: Plan = {
  partitions: 2,
  recordsPerPartition: 16,
  shareAtStart: 1,
  processes: 1,
  lanes: 2,
  queueBatches: 2,
  batchMaxRecords: 5,
  commitRecords: 10,
  latenessMs: 24 * HOUR,
  checkpointMs: 50,
  latencyMs: 1,
  slowShare: 0.05,
  faultShare: 0,
  disasterMs: 0,
  troubledMs: 0,
}

import { isDeepStrictEqual } from 'node:util'
import { createRandom } from '../../pipeline/produce/random.ts'
import { entryKey } from './database.ts'
import { faultsOf, Operations } from './disasters.ts'
import type { NextFault } from './faults.ts'
import { drawPlan, type Plan } from './plan.ts'
import { giveBackEncoders } from './process.ts'
import { type Fate, quietDay } from './quiet-day.ts'
import { drawTopic, isTwin, START } from './records.ts'
import { Scheduler } from './scheduler.ts'
import { checkStates } from './states.ts'
import { withVirtualTime } from './virtual-time.ts'
import { type Met, type Violation, World } from './world.ts'

export interface Outcome {
  seed: number
  violation: Violation | null
  /** Hash of the trace. */
  digest: string
  tail: readonly string[]
  steps: number
  records: number
  met: ReadonlyMap<Met, number>
}

export interface SimulationOptions {
  seed: number
  /** Instead of what the seed draws. */
  plan?: Plan
  faults?: NextFault
  echo?: (line: string) => void
}

/** After the healing everything must be processed within this time. */
const DRAIN_MS = 120_000
/** What a zombie still may do after that. */
const AFTERMATH_MS = 5000
const MOST_STEPS = 400_000

/** One life of some processes, from a seed. */
export async function simulate({ seed, echo, ...given }: SimulationOptions): Promise<Outcome> {
  const plan = given.plan ?? drawPlan(createRandom(seed, 1))
  const topic = drawTopic(createRandom(seed, 2), plan.partitions, plan.recordsPerPartition)
  const { fates, states } = await quietDay(topic, plan.latenessMs)
  const scheduler = new Scheduler(START, createRandom(seed, 3), echo)
  const world = new World(scheduler, plan, topic, given.faults ?? faultsOf({ scheduler, plan }))
  await withVirtualTime(scheduler, () => live(world))
  if (world.violation === null) {
    checkFates(world, fates)
    await checkStates(world, states)
  }
  giveBackEncoders()
  const { violation } = world
  return {
    seed,
    violation,
    digest: scheduler.digest,
    tail: scheduler.tail,
    steps: scheduler.steps,
    records: fates.size,
    met: world.met,
  }
}

async function live(world: World): Promise<void> {
  const { scheduler, plan } = world
  fillTopic(world)
  const operations = new Operations(world)
  if (plan.disasterMs > 0) operations.trouble()
  scheduler.after(plan.troubledMs, 'trouble ends', () => plan.troubledMs > 0 && operations.heal(), null)

  const healedAt = scheduler.now + plan.troubledMs
  let drainedAt = Number.POSITIVE_INFINITY
  while (world.violation === null && scheduler.now < drainedAt + AFTERMATH_MS) {
    if (!(await scheduler.step())) break
    checkBounds(world)
    if (scheduler.stray !== null)
      world.violate('repeatable', `"${scheduler.stray}" began outside of any event`)
    if (drainedAt === Number.POSITIVE_INFINITY && isDrained(world)) drainedAt = scheduler.now
    if (scheduler.now > Math.min(drainedAt, healedAt + DRAIN_MS) + AFTERMATH_MS) break
    if (scheduler.steps > MOST_STEPS) return world.violate('drain', 'too many steps')
  }
  if (world.violation === null && !isDrained(world)) {
    const left = world.kafka.topic.map(
      (entries, p) => `${p}: ${world.database.positions.get(p)?.next ?? 'none'} of ${entries.length}`,
    )
    world.violate('drain', `not processed ${DRAIN_MS} ms after the healing: ${left.join(', ')}`)
  }
}

/** Some of the records are there at the start, the others come bit by bit while there is trouble. */
function fillTopic({ scheduler, kafka, plan }: World): void {
  const { random } = scheduler
  kafka.topic.forEach((entries, partition) => {
    kafka.ends[partition] = Math.floor(entries.length * plan.shareAtStart)
    for (let end = kafka.ends[partition]; end < entries.length; ) {
      end = Math.min(entries.length, end + random.integer(1, 5))
      const write = () => {
        kafka.ends[partition] = Math.max(kafka.ends[partition], end)
      }
      const upTo = end
      scheduler.after(random.between(0, plan.troubledMs), `records up to ${partition}/${upTo}`, write, null)
    }
  })
}

const isDrained = ({ kafka, database }: World): boolean =>
  kafka.topic.every((entries, p) => database.positions.get(p)?.next === entries.length)

/** Memory stays flat: nothing waits in more places than the settings say. */
function checkBounds(world: World): void {
  const { queueBatches, batchMaxRecords, commitRecords, lanes } = world.plan
  for (const { source, host } of world.processes) {
    let judged = 0
    for (const owner of source.owned())
      if (!owner.lost) for (const { records } of owner.judged) judged += records.length
    // In the lanes, before the score stage, and one or two at each joint.
    const most = lanes * queueBatches * commitRecords + (queueBatches + 6) * batchMaxRecords
    if (judged > most) world.violate('bounds', `${host.name}: ${judged} judged records, at most ${most}`)
  }
}

/** Every record became what it becomes on a quiet day, once. */
function checkFates(world: World, fates: Map<string, Fate>): void {
  const { database, deadLetters } = world
  const rows = new Map(
    [...database.rows.values()].map((row) => [
      entryKey(row.kafka_partition as number, row.kafka_offset as number),
      row,
    ]),
  )
  for (const [key, fate] of fates) {
    const row = rows.get(key)
    const code = database.skipped.get(key)
    const letters = deadLetters.get(key) ?? []
    if (row !== undefined && code !== undefined)
      world.violate('once', `${key} is stored, and skipped as ${code}`)
    else if (isTwinRow(fate) && (code === 'DUPLICATE' || isDeepStrictEqual(row, fate))) continue
    else if (typeof fate === 'string') {
      if (code !== fate) world.violate('fate', `${key} ought to be ${fate} and is ${code ?? 'stored'}`)
      const strange = letters.filter((letter) => letter !== fate)
      if (strange.length > 0) world.violate('letters', `${key} is ${fate} and has letters ${strange}`)
      if (letters.length === 0 && fate !== 'DUPLICATE') world.violate('letters', `${key}: no letter`)
    } else if (row === undefined) world.violate('lost', `${key} is not stored: ${code ?? 'no trace'}`)
    else if (!isDeepStrictEqual(row, fate)) world.violate('decision', difference(key, row, fate))
    else if (letters.length > 0) world.violate('letters', `${key} is stored and has letters ${letters}`)
  }
  for (const key of rows.keys()) if (!fates.has(key)) world.violate('unexpected', `${key} is stored`)
  checkTwins(world, fates)
}

const isTwinRow = (fate: Fate): fate is Exclude<Fate, string> =>
  typeof fate !== 'string' && isTwin(String(fate.transaction_id))

/** Of the same transaction in two partitions one is stored. */
function checkTwins(world: World, fates: Map<string, Fate>): void {
  const ids = new Set([...fates.values()].filter(isTwinRow).map((fate) => fate.transaction_id))
  const stored = new Set([...world.database.rows.values()].map((row) => row.transaction_id))
  for (const id of ids) if (!stored.has(id)) world.violate('lost', `${id} is stored in neither partition`)
}

function difference(key: string, row: object, fate: object): string {
  const [got, wanted] = [row, fate] as Record<string, unknown>[]
  const columns = Object.keys(wanted).filter((name) => !isDeepStrictEqual(got[name], wanted[name]))
  const shown = columns.map(
    (name) => `${name} ${JSON.stringify(got[name])} ought to be ${JSON.stringify(wanted[name])}`,
  )
  return `${key}: ${shown.join('; ')}`
}

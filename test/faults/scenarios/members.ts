import { setTimeout as sleep } from 'node:timers/promises'
import type { PipelineProcess } from '../../support/pipeline-process.ts'
import { positions } from '../../support/tables.ts'
import type { Scenario } from '../scenario.ts'
import { World } from '../world.ts'

const EVERY_MS = 5000
const LONGEST_STALL_S = 15

export const membersComeAndGo: Scenario = {
  id: 'F3',
  title: 'a member joins or leaves every 5 s, by SIGTERM or kill -9',
  quick: false,
  async run(ctx) {
    const world = await World.open(ctx, { env: { TOPIC_PARTITIONS: '6' } })
    world.sender.start()
    const members: PipelineProcess[] = [world.start()]
    await world.untilProgress('progress of the first')
    const stalls = watchStalls(world)
    const steps = ctx.quick ? 4 : 24
    let killed = 0
    for (let step = 0; step < steps; step++) {
      await sleep(EVERY_MS)
      const leaves = members.length >= 3 || (members.length > 1 && ctx.random() < 0.5)
      if (!leaves) members.push(world.start())
      else {
        const [member] = members.splice(Math.floor(ctx.random() * members.length), 1)
        if (step % 6 === 5) {
          await world.kill(member)
          killed++
        } else await world.terminate(member)
      }
    }
    const longest = await stalls.stop()
    ctx.note(`${steps} changes, ${killed} by kill -9; longest stall of a partition ${longest.toFixed(1)} s`)
    ctx.hold('X', longest < LONGEST_STALL_S, `a partition stood still for ${longest.toFixed(1)} s`)
    await world.conclude()
  },
}

/** How long a partition stood still at most, while traffic came to all of them. */
function watchStalls(world: World) {
  const { DATABASE_URL, TRANSACTIONS_TOPIC } = world.settings
  const moved = new Map<number, { offset: number; at: number }>()
  const stopped = new AbortController()
  let longest = 0
  const running = (async () => {
    while (!stopped.signal.aborted) {
      const now = performance.now()
      for (const [partition, { next_offset }] of (
        await positions(DATABASE_URL, TRANSACTIONS_TOPIC)
      ).entries()) {
        const last = moved.get(partition)
        longest = Math.max(longest, now - (last?.at ?? now))
        if (last === undefined || next_offset > last.offset)
          moved.set(partition, { offset: next_offset, at: now })
      }
      await sleep(200)
    }
  })()
  return {
    /** @returns seconds */
    async stop(): Promise<number> {
      stopped.abort()
      await running
      return longest / 1000
    },
  }
}

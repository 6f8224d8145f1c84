import { AccountStates } from '../../pipeline/features/account-states.ts'
import { rebuildStates, type StateRow } from '../../pipeline/store/rebuild.ts'
import { differingStates, digestsOf } from '../support/state-digest.ts'
import type { SavedState } from './database.ts'
import { isTwin } from './records.ts'
import { stateRow } from './recoveries.ts'
import type { World } from './world.ts'

/**
 * Every checkpoint that was ever written is what some process had in memory: each must hold what the rows before its
 * position make. And all rows must make what a quiet day comes to.
 */
export async function checkStates(world: World, quiet: ReadonlyMap<string, string>[]): Promise<void> {
  const { database, plan } = world
  for (const partition of database.positions.keys()) {
    const rows = database.history(partition, 0).map(stateRow)
    const states = new AccountStates(plan.latenessMs)
    let next = 0
    const advance = async (position: number) => {
      const some = rows.filter(({ 8: offset }) => offset >= next && offset < position)
      if (some.length > 0) await rebuildStates(states, oneByOne([some]))
      next = position
      return digestsOf(states)
    }
    const saved = Map.groupBy(
      database.checkpoints.filter((checkpoint) => checkpoint.partition === partition),
      ({ position }) => position,
    )
    for (const [position, checkpoints] of [...saved].sort(([a], [b]) => a - b)) {
      const expected = await advance(position)
      for (const checkpoint of checkpoints) {
        const wrong = differingStates(await digestsOfCheckpoint(checkpoint, plan.latenessMs), expected)
        if (wrong.length > 0)
          world.violate('state', `the checkpoint of ${partition}/${position} is wrong about ${wrong}`)
      }
    }
    const wrong = differingStates(await advance(Number.POSITIVE_INFINITY), quiet[partition])
    // Which of two twins is stored is left to chance, and so is the state of their account.
    const told = wrong.filter((account) => !isTwin(account))
    if (told.length > 0) world.violate('state', `partition ${partition}: other than on a quiet day: ${told}`)
  }
}

async function digestsOfCheckpoint({ pieces }: SavedState, latenessMs: number): Promise<Map<string, string>> {
  const states = new AccountStates(latenessMs)
  await states.restore(oneByOne(pieces))
  return digestsOf(states)
}

async function* oneByOne<T extends Buffer | StateRow[]>(items: T[]): AsyncGenerator<T> {
  yield* items
}

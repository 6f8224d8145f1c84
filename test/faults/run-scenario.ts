import { createRandom } from '../../pipeline/produce/random.ts'
import { type Ctx, FIGURES, type Figures, type Result, type Scenario, Skip } from './scenario.ts'

export const noFigures = (): Figures => Object.fromEntries(FIGURES.map((name) => [name, 0])) as never

/** Adds figures into `total`. */
export function addFigures(total: Figures, more: Figures): void {
  for (const name of FIGURES) total[name] += more[name]
}

export interface RunOptions extends Pick<Ctx, 'tree' | 'quick' | 'full' | 'servers'> {
  seed: number
  /** Told each note and breach as it comes. */
  progress?: (line: string) => void
}

const LONGEST_BREACH = 500

/** Runs one scenario and cleans up after it. Never throws: an error of the scenario itself is a breach. */
export async function runScenario(scenario: Scenario, options: RunOptions): Promise<Result> {
  const { seed, progress = () => {}, ...rest } = options
  const { id, title } = scenario
  const began = performance.now()
  const figures = noFigures()
  const breaches: string[] = []
  const notes: string[] = []
  const cleanUps: (() => unknown)[] = []
  const breach = (whole: string) => {
    const text = whole.length > LONGEST_BREACH ? `${whole.slice(0, LONGEST_BREACH)} ...` : whole
    breaches.push(text)
    progress(`${id}   BROKEN ${text}`)
  }
  const ctx: Ctx = {
    ...rest,
    after: (cleanUp: never) => void cleanUps.push(cleanUp),
    random: createRandom(seed, Number(id.slice(1))).unit,
    hold: (invariant, holds, text) => void (holds || breach(`${invariant}: ${text}`)),
    note(text) {
      notes.push(text)
      progress(`${id}   ${text}`)
    },
    add: (more) => addFigures(figures, more),
  }
  let skipped = false
  try {
    await scenario.run(ctx)
    if (figures.stored === 0) breach('L: nothing was stored, so nothing was shown')
  } catch (error) {
    skipped = error instanceof Skip
    if (skipped) ctx.note((error as Error).message)
    else breach(textOf(error as Error))
  }
  for (const cleanUp of cleanUps.reverse()) {
    try {
      await cleanUp()
    } catch (error) {
      ctx.note(`cleaning up: ${(error as Error).message}`)
    }
  }
  const outcome = skipped ? 'skipped' : breaches.length > 0 ? 'broken' : 'held'
  return { id, title, outcome, seconds: (performance.now() - began) / 1000, figures, breaches, notes }
}

/** The message, its cause's and where it came from; an error of waiting says what for. */
function textOf(error: Error): string {
  const cause = (error.cause as Error | undefined)?.message
  const where = error.stack?.split('\n').find((line) => line.includes('/scenarios/'))
  return [`P: ${error.message}`, cause && `because: ${cause}`, where?.trim()].filter(Boolean).join('; ')
}

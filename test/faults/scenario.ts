import type { LocalServers } from '../../deploy/local/servers.ts'
import type { Scope } from '../harness.ts'

/** What became of the transactions of a scenario, in Jepsen's words. */
export interface Figures {
  attempted: number
  acknowledged: number
  stored: number
  dead_lettered: number
  /** Not acknowledged as far as the sender knows, and in all the same. */
  recovered: number
  /** Acknowledged, and neither in the table nor among the dead letters. */
  lost: number
  /** Rows beyond the first of a transaction. */
  duplicated: number
  /** Stored and never sent or not valid, or a dead letter that should have been a row. */
  unexpected: number
  /** Rows whose decision differs from that of a quiet run, or that only one of the two has. */
  differing_scores: number
}

export const FIGURES = [
  'attempted',
  'acknowledged',
  'stored',
  'dead_lettered',
  'recovered',
  'lost',
  'duplicated',
  'unexpected',
  'differing_scores',
] as const satisfies (keyof Figures)[]

/**
 * L nothing lost or doubled, S same decisions, D same states, O positions, P progress after healing, R resources,
 * H health, X the scenario's own.
 */
export type Invariant = 'L' | 'S' | 'D' | 'O' | 'P' | 'R' | 'H' | 'X'

/** What a scenario gets: a scope of its own, whose `after` functions run last first, and a place for what it finds. */
export interface Ctx extends Scope {
  /** 0 to below 1, by the seed: the same seed gives the same instants and kills, as far as the machine does. */
  random(): number
  /** The tree whose pipeline runs; undefined = this one. */
  tree?: string
  /** Shorter where a scenario can be: the tier inside `npm test`, and the controls. */
  quick: boolean
  /** The long form, for `--full`. */
  full?: boolean
  /** The servers, to kill and to start again; absent in `npm test`, which shares them. */
  servers?: Required<Pick<LocalServers, 'kafka' | 'postgres' | 'directory'>>
  /** Notes a breach of an invariant, and goes on. */
  hold(invariant: Invariant, holds: boolean, breach: string): void
  /** A fact for the report. */
  note(text: string): void
  add(figures: Figures): void
}

export interface Scenario {
  /** As in README.md: F1, F2, … */
  id: string
  title: string
  /** In the quick tier: does without killing the shared servers, and takes some seconds. */
  quick: boolean
  run(ctx: Ctx): Promise<void>
}

/** A scenario that cannot be run here, with the reason. */
export class Skip extends Error {}

export interface Result {
  id: string
  title: string
  outcome: 'held' | 'broken' | 'skipped'
  seconds: number
  figures: Figures
  breaches: string[]
  notes: string[]
}

import { GENUINE, type LabelKind, PLAIN_FRAUD } from './label-events.ts'

/** What is known of a merchant by its label events so far. Times are event times in ms; NaN where there is none. */
export interface MerchantState {
  runFrauds: number
  /** Time of the run's first fraud. */
  firstFraud: number
  /** From the last genuine one before the run to its first fraud, in ms. */
  slack: number
  lastGenuine: number
  lastTime: number
  /** 1 if the last one was a fraud, else 0. */
  lastLabel: number
}

/**
 * Adds the next event. A run is where a merchant's customers were stolen from: a fraud begins it whose amount does not
 * explain it, any fraud makes it longer, a genuine one ends it.
 */
export function foldEvent(state: MerchantState, time: number, kind: LabelKind): void {
  if (kind === GENUINE) {
    state.runFrauds = 0
    state.firstFraud = Number.NaN
    state.slack = Number.NaN
    state.lastGenuine = time
  } else if (state.runFrauds > 0) state.runFrauds++
  else if (kind === PLAIN_FRAUD) {
    state.runFrauds = 1
    state.firstFraud = time
    state.slack = time - state.lastGenuine
  }
  state.lastTime = time
  state.lastLabel = kind === GENUINE ? 0 : 1
}

/** The states of many merchants, in columns. */
export class MerchantStates {
  readonly runFrauds: Uint32Array
  readonly firstFraud: Float64Array
  readonly slack: Float64Array
  readonly lastGenuine: Float64Array
  readonly lastTime: Float64Array
  readonly lastLabel: Uint8Array

  /** Nothing is known of any. */
  constructor(merchants: number) {
    this.runFrauds = new Uint32Array(merchants)
    this.firstFraud = new Float64Array(merchants).fill(Number.NaN)
    this.slack = new Float64Array(merchants).fill(Number.NaN)
    this.lastGenuine = new Float64Array(merchants).fill(Number.NaN)
    this.lastTime = new Float64Array(merchants).fill(Number.NaN)
    this.lastLabel = new Uint8Array(merchants)
  }

  read(merchant: number, into: MerchantState): void {
    into.runFrauds = this.runFrauds[merchant]
    into.firstFraud = this.firstFraud[merchant]
    into.slack = this.slack[merchant]
    into.lastGenuine = this.lastGenuine[merchant]
    into.lastTime = this.lastTime[merchant]
    into.lastLabel = this.lastLabel[merchant]
  }

  write(merchant: number, state: MerchantState): void {
    this.runFrauds[merchant] = state.runFrauds
    this.firstFraud[merchant] = state.firstFraud
    this.slack[merchant] = state.slack
    this.lastGenuine[merchant] = state.lastGenuine
    this.lastTime[merchant] = state.lastTime
    this.lastLabel[merchant] = state.lastLabel
  }
}

export const createMerchantState = (): MerchantState => ({
  runFrauds: 0,
  firstFraud: Number.NaN,
  slack: Number.NaN,
  lastGenuine: Number.NaN,
  lastTime: Number.NaN,
  lastLabel: 0,
})

import { InvalidArgumentError } from 'commander'
import type { Feature } from '../features/features.ts'
import type { Span } from '../history/days.ts'
import type { Protocol } from './protocol.ts'

/** The command's options as given; times are milliseconds since 1970. */
export interface Options {
  input?: string
  from?: number
  to?: number
  model?: string
  trainFrom?: number
  trainUntil?: number
  delayDays?: number
  testFrom?: number
  testTo?: number
  threshold?: number
  alertsPerDay?: number
  keepKnown?: true
  seed: number
  trees: number
  leaves: number
  features?: Feature[]
  rules?: string
  json?: true
}

/** What is wrong with the options taken together; undefined if nothing. */
export function conflictOf(options: Options): string | undefined {
  const { input, from, to, trainFrom, trainUntil, testFrom, testTo, threshold, alertsPerDay } = options
  if ((input === undefined) === (from === undefined && to === undefined))
    return 'say what to read, one of: --input FILE; --from TIME and --to TIME'
  const pairs = [
    ['--from', from, '--to', to],
    ['--train-from', trainFrom, '--train-until', trainUntil],
    ['--test-from', testFrom, '--test-to', testTo],
  ] as const
  for (const [first, start, second, end] of pairs) {
    if ((start === undefined) !== (end === undefined)) return `${first} and ${second} go together`
    if (start !== undefined && end !== undefined && start >= end) return `${first} must be before ${second}`
  }
  if (trainFrom !== undefined && testFrom === undefined)
    return 'what was learned from is no test: --train-from and --train-until need --test-from and --test-to'
  if (trainUntil !== undefined && testFrom !== undefined && testFrom < trainUntil)
    return '--test-from must not be before --train-until'
  if (trainFrom === undefined && options.features !== undefined)
    return '--features is of the training: it needs --train-from and --train-until'
  if (threshold !== undefined && alertsPerDay !== undefined)
    return '--threshold and --alerts-per-day exclude each other'
  return undefined
}

/** @param labelDelayDays LABEL_DELAY_DAYS, where the options name no other */
export function protocolOf(options: Options, labelDelayDays: number): Protocol {
  const { trainFrom, trainUntil, testFrom, testTo, delayDays = labelDelayDays, keepKnown = false } = options
  return { train: spanOf(trainFrom, trainUntil), test: spanOf(testFrom, testTo), delayDays, keepKnown }
}

const spanOf = (from: number | undefined, to: number | undefined): Span | undefined =>
  from === undefined || to === undefined ? undefined : { from, to }

/** An option's number from 0 to 1. */
export function share(text: string): number {
  const value = Number(text)
  if (text.trim() !== '' && value >= 0 && value <= 1) return value
  throw new InvalidArgumentError('Expected a number from 0 to 1.')
}

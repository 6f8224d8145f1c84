import {
  type Call,
  CUTS,
  DATABASE_CALLS,
  type Fault,
  type NextFault,
  nthFault,
  OTHER_CALLS,
} from './faults.ts'
import { quietPlan } from './plan.ts'
import { type Outcome, simulate } from './simulation.ts'

/** Every call of every kind fails once: in run n its n-th, from 1 until a run has none. Better than a sample. */

const SEED = 1
/** One of each way in which a server's error is met; the seeds draw from all. */
const CODES = ['40001', '57P01', '25006', '53100']

export interface FailedCall {
  call: Call
  n: number
  fault: string
}

export const faultName = (fault: Fault): string => (typeof fault === 'string' ? fault : fault.code)

/** What may be wrong with a call of this kind. */
export function faultsFor(call: Call): Fault[] {
  if ((OTHER_CALLS as readonly Call[]).includes(call)) return [...CUTS, { code: 'error' }]
  const own = call === 'copy' ? [{ code: '23505' }] : []
  return [...CUTS, ...CODES.map((code) => ({ code })), ...own]
}

export const ALL_CALLS: readonly Call[] = [...DATABASE_CALLS, ...OTHER_CALLS]

/** One run with this fault. @returns whether the run got so far, and what became of it */
export async function failCall({
  call,
  n,
  fault,
  echo,
}: Omit<FailedCall, 'fault'> & { fault: Fault; echo?: (line: string) => void }): Promise<{
  met: boolean
  outcome: Outcome
}> {
  const wanted = nthFault(call, n, fault)
  const recovery = recoveryFaults()
  // Both count every call.
  const faults: NextFault = (other) => {
    const [first, second] = [wanted.next(other), recovery(other)]
    return first ?? second
  }
  const outcome = await simulate({ seed: SEED, plan: quietPlan, faults, echo })
  return { met: wanted.met(), outcome }
}

/** Lost answers, a lock that is waited for too long, and a crash, so that recovery's own calls can fail too. */
function recoveryFaults(): NextFault {
  let commits = 0
  let moves = 0
  return (call) => {
    if (call === 'movePositions' && ++moves === 3) return { code: '55P03' }
    if (call !== 'commit') return null
    commits++
    if (commits === 6) return 'crash-before'
    return commits === 2 || commits === 4 || commits === 8 ? 'lost-after' : null
  }
}

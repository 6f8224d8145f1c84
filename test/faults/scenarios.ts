import type { Scenario } from './scenario.ts'
import { backlog, morePartitions, offsetOutOfRange } from './scenarios/bounds.ts'
import { brokerKilled, brokerSilent } from './scenarios/broker.ts'
import { commitCut, databaseAway, databaseKilled, databaseRefuses } from './scenarios/database.ts'
import { killedAtRandom, stopped, terminated } from './scenarios/kills.ts'
import { membersComeAndGo } from './scenarios/members.ts'
import { clockShifted, duplicates, outOfOrder } from './scenarios/order.ts'
import { badRow, poison, registryAway } from './scenarios/poison.ts'

/** All scenarios, by number. */
export const scenarios: Scenario[] = [
  killedAtRandom,
  terminated,
  membersComeAndGo,
  stopped,
  brokerKilled,
  brokerSilent,
  databaseKilled,
  databaseAway,
  commitCut,
  databaseRefuses,
  poison,
  badRow,
  registryAway,
  outOfOrder,
  duplicates,
  clockShifted,
  backlog,
  offsetOutOfRange,
  morePartitions,
]

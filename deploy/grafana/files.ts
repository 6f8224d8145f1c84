import { toGrafana } from './dashboard.ts'
import { fraud } from './fraud.ts'
import { operators } from './operators.ts'

/** The text of each file of deploy/grafana/dashboards, by its name. */
export const dashboardFiles = (): Map<string, string> =>
  new Map(
    [operators, fraud].map((dashboard) => [
      `${dashboard.uid}.json`,
      `${JSON.stringify(toGrafana(dashboard), null, 2)}\n`,
    ]),
  )

import { readFileSync, writeFileSync } from 'node:fs'
import { Command } from 'commander'
import { dashboardFiles } from './files.ts'

/** `npm run dashboards`: Grafana's files from the dashboards that are written beside this. */

const directory = new URL('./dashboards/', import.meta.url)

new Command('npm run dashboards --')
  .description('Write deploy/grafana/dashboards/*.json from deploy/grafana/operators.ts and fraud.ts.')
  .option('--check', 'write nothing; exit 1 where a file is not what the code says')
  .action(write)
  .parse()

function write({ check }: { check?: true }): void {
  for (const [name, text] of dashboardFiles()) {
    const file = new URL(name, directory)
    if (!check) writeFileSync(file, text)
    else if (readFileSync(file, 'utf8') !== text) {
      console.error(`deploy/grafana/dashboards/${name} is not what the code says: npm run dashboards`)
      process.exitCode = 1
    }
  }
}

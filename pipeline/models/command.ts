import { Command } from 'commander'
import type pg from 'pg'
import { operator } from '../../schemas/audit.ts'
import { withClient } from '../../schemas/database.ts'
import { counted, jsonLine, printable, table } from '../../schemas/printable.ts'
import { loadSettings } from '../../schemas/settings.ts'
import { openModel } from './model.ts'
import { activateModel, listModels, readModel, rollbackModel, type StoredModel } from './store.ts'

interface Options {
  json?: true
}

const AFTER_HELP = `
One model is in force. A running pipeline takes another one at its next start. Models come by \`npm run train\`; the
one that is shipped is stored when a pipeline first starts. All need DATABASE_URL.

Exit codes: 0 done; 1 an error; 2 the settings cannot be used.`

export function command(): Command {
  return new Command()
    .description('See which models there are, and choose the one that is in force.')
    .addHelpText('after', AFTER_HELP)
    .addCommand(
      new Command('list')
        .description('list all models, the newest first')
        .option('--json', 'print one JSON object a line')
        .action((options: Options) => withDatabase((client) => list(client, options))),
    )
    .addCommand(
      new Command('show')
        .description('show one: its features, training and metrics, and whether it can be served')
        .argument('<version>', 'as list prints it')
        .option('--json', 'print one JSON object')
        .action((version: string, options: Options) =>
          withDatabase((client) => show(client, version, options)),
        ),
    )
    .addCommand(
      new Command('activate')
        .description('put one in force')
        .argument('<version>', 'as list prints it')
        .option('--json', 'print one JSON object')
        .action((version: string, options: Options) =>
          withDatabase(async (client) =>
            tell(version, await activateModel(client, version, operator()), options),
          ),
        ),
    )
    .addCommand(
      new Command('rollback')
        .description('put the one in force again that was before; once more: one before that, each once')
        .option('--json', 'print one JSON object')
        .action((options: Options) =>
          withDatabase(async (client) => {
            const { version, previous } = await rollbackModel(client, operator())
            tell(version, previous, options)
          }),
        ),
    )
}

const withDatabase = (work: (client: pg.Client) => void | Promise<void>): Promise<void> =>
  withClient(
    { connectionString: loadSettings(['DATABASE_URL']).DATABASE_URL, application_name: 'weir-models' },
    async (client) => work(client),
  )

async function list(client: pg.Client, { json }: Options): Promise<void> {
  const models = await listModels(client)
  if (json) {
    for (const model of models) console.log(jsonLine(model))
    return
  }
  const rows = models.map((model) => [
    model.is_active ? '*' : '',
    printable(model.version),
    day(model.trained_from),
    day(model.trained_to),
    minute(model.created_at),
    minute(model.activated_at),
    model.features.length.toString(),
  ])
  if (rows.length > 0)
    console.log(table([['', 'VERSION', 'TRAINED FROM', 'TO', 'STORED', 'ACTIVATED', 'FEATURES'], ...rows]))
  console.error(
    `${counted(rows.length, 'model')}${rows.length > 0 ? '; * is in force' : ': see `npm run train`'}`,
  )
}

async function show(client: pg.Client, version: string, { json }: Options): Promise<void> {
  const { artifact, ...model } = await readModel(client, version)
  const fault = faultOf(artifact)
  if (json) console.log(jsonLine({ ...model, can_be_served: fault === null, fault }))
  else console.log(textOf(model, fault))
}

/** Why this version of the code cannot serve a model; null if it can. */
function faultOf(artifact: unknown): string | null {
  try {
    openModel(artifact)
    return null
  } catch (error) {
    return (error as Error).message
  }
}

function textOf(model: StoredModel, fault: string | null): string {
  const facts = [
    ['version', model.version],
    ['kind', model.kind],
    ['in force', model.is_active ? `yes, since ${minute(model.activated_at)}` : 'no'],
    ['can be served', fault === null ? 'yes' : `no: ${fault}`],
    ['stored', minute(model.created_at)],
    ['trained on', `${minute(model.trained_from)} to ${minute(model.trained_to)}`],
    ...Object.entries(model.metrics).map(([name, value]) => [name, String(value)]),
    ['features', model.features.join(', ')],
  ]
  return table(facts.map(([name, value]) => [name, printable(value)]))
}

function tell(version: string, previous: string | null, { json }: Options): void {
  if (json) {
    console.log(jsonLine({ version, previous }))
    return
  }
  const before = previous === null || previous === version ? '' : `, before it ${previous}`
  console.log(`${version} is in force${before}. A running pipeline takes it at its next start.`)
}

const day = (time: Date | null): string => time?.toISOString().slice(0, 10) ?? '-'
const minute = (time: Date | null): string => (time === null ? '-' : `${time.toISOString().slice(0, 16)}Z`)

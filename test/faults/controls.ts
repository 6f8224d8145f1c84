import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { runScenario } from './run-scenario.ts'
import { scenarios } from './scenarios.ts'
import type { FaultServers } from './servers.ts'

/**
 * Builds that are broken on purpose: a suite that does not find them out would prove nothing. Each is this tree with
 * a few lines replaced, and runs the scenario that must see it.
 */
export interface Control {
  name: string
  /** The scenario that must turn red. */
  scenario: string
  changes: { file: string; from: string; to: string }[]
}

const LANE = 'pipeline/store/lane.ts'
const SESSION = 'pipeline/store/session.ts'
const SQL = 'pipeline/store/sql.ts'
const SOURCE = 'pipeline/source/kafka-source.ts'

const withoutCompareAndSet = {
  file: SQL,
  from: `return \`CALL move_positions(\${literal(moves[0].owner.topic)}, \${literal(JSON.stringify(list))})\``,
  to: `return \`UPDATE positions p
    SET next_offset = m.next_offset, stored = p.stored + m.stored, anomalies = p.anomalies + m.anomalies,
        duplicates = p.duplicates + m.duplicates, dead_letters = p.dead_letters + m.dead_letters
    FROM jsonb_to_recordset(\${literal(JSON.stringify(list))}) AS m (partition integer, next_offset bigint,
      stored bigint, anomalies bigint, duplicates bigint, dead_letters bigint)
    WHERE p.topic = \${literal(moves[0].owner.topic)} AND p.partition = m.partition\``,
}

export const controls: Control[] = [
  {
    name: 'positions stored before COPY, in a transaction of their own',
    scenario: 'F1',
    changes: [
      {
        file: SESSION,
        from: "else await copy(client, [COPY_TRANSACTIONS, ...statements].join(';\\n'), rows)",
        to: "else await client.query(statements.join(';\\n')).then(() => copy(client, COPY_TRANSACTIONS, rows))",
      },
    ],
  },
  {
    name: 'compare-and-set left out',
    scenario: 'F4',
    changes: [withoutCompareAndSet],
  },
  {
    name: 'dead letter not awaited',
    scenario: 'F11',
    changes: [
      {
        file: LANE,
        from: 'await this.#options.deadLetters.send(',
        to: 'void this.#options.deadLetters.send(',
      },
    ],
  },
  {
    name: 'state kept after a rolled-back batch',
    scenario: 'F15',
    changes: [
      {
        file: 'pipeline/store/rejudge.ts',
        from: 'if (batch.undo !== null) batch.owner.states.undo(batch.undo)',
        to: 'if (batch.undo !== null) batch.owner.states.commit(batch.undo)',
      },
    ],
  },
  {
    name: "Kafka's own offsets instead of positions, committed automatically",
    scenario: 'F1',
    changes: [
      withoutCompareAndSet,
      { file: SOURCE, from: 'autoCommit: false,', to: 'autoCommit: true, autoCommitThreshold: 1,' },
      {
        file: SOURCE,
        from: 'this.#consumer.seek({ topic, partition, offset: String(last?.offset ?? cursor) })',
        to: '',
      },
      {
        file: SOURCE,
        from: 'if (owner.last !== null)\n      return this.#compareLast(',
        to: 'if (Date.now() < 0)\n      return this.#compareLast(',
      },
      {
        file: SOURCE,
        from: 'if (fetchedFrom !== owner.cursor) {',
        to: 'owner.cursor = owner.position = fetchedFrom\nif (fetchedFrom !== owner.cursor) {',
      },
    ],
  },
]

const COPIED = ['pipeline', 'schemas', 'deploy', 'package.json', 'tsconfig.json']

/**
 * A copy of this tree, broken.
 * @returns its directory, to be deleted by the caller
 * @throws when the lines to replace are not there any more
 */
export function breakTree({ name, changes }: Control): string {
  const tree = mkdtempSync(join(tmpdir(), 'weir-control-'))
  for (const path of COPIED) cpSync(path, join(tree, path), { recursive: true })
  symlinkSync(resolve('node_modules'), join(tree, 'node_modules'))
  for (const { file, from, to } of changes) {
    const path = join(tree, file)
    const text = readFileSync(path, 'utf8')
    if (text.split(from).length !== 2) {
      rmSync(tree, { recursive: true })
      throw new Error(`the control "${name}" does not apply to ${file} any more: ${from}`)
    }
    writeFileSync(
      path,
      text.replace(from, () => to),
    )
  }
  return tree
}

export interface ControlsOptions {
  seed: number
  /** Scenarios whose controls to run; all by default. */
  only?: string[]
  servers: FaultServers
  progress: (line: string) => void
  signal: AbortSignal
}

export interface ControlResult {
  control: string
  scenario: string
  /** Whether the harness found it out. */
  red: boolean
  /** What it said. */
  line: string
}

/**
 * Runs each broken build and tells what found it out.
 */
export async function runControls({
  seed,
  only,
  servers,
  progress,
  signal,
}: ControlsOptions): Promise<ControlResult[]> {
  const results: ControlResult[] = []
  for (const control of controls) {
    if (signal.aborted || (only && !only.includes(control.scenario))) continue
    const scenario = scenarios.find((s) => s.id === control.scenario)!
    const tree = breakTree(control)
    try {
      progress(`control: ${control.name} (${scenario.id}) ...`)
      const { outcome, breaches } = await runScenario(scenario, {
        seed,
        servers,
        tree,
        quick: true,
        progress,
      })
      // That it hangs or ends would not show that the invariants are looked at.
      const red = breaches.find((breach) => /^[LSDO]:/.test(breach))
      const line = red ?? `${outcome}: ${breaches.join('; ')}`
      results.push({ control: control.name, scenario: scenario.id, red: red !== undefined, line })
    } finally {
      rmSync(tree, { recursive: true, force: true })
    }
  }
  return results
}

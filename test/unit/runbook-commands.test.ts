import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import type { Command } from 'commander'
import { runbook } from '../support/watching.ts'

const root = new URL('../../', import.meta.url)
const { scripts } = JSON.parse(readFileSync(new URL('package.json', root), 'utf8'))

/** The file of each command of deploy/weir.ts. */
const files = new Map(
  [
    ...readFileSync(new URL('deploy/weir.ts', root), 'utf8').matchAll(
      /^ {2}'?([\w-]+)'?: \(\) => import\('(.+)'\)/gm,
    ),
  ].map(([, name, file]) => [name, new URL(file, new URL('deploy/', root))]),
)

/** `npm run NAME -- ARGUMENTS` in code spans and blocks. */
const commandsOf = (text: string): { name: string; args: string[] }[] =>
  [...text.matchAll(/npm run ([\w:-]+)(?: -- ([^`\n]+))?/g)].map(([, name, args = '']) => ({
    name,
    args: args.trim().split(/\s+/).filter(Boolean),
  }))

test('every command of the runbook exists, with its options', async () => {
  const commands = commandsOf(runbook())
  assert.ok(commands.length > 20, String(commands.length))
  for (const { name, args } of commands) {
    const where = `npm run ${name} -- ${args.join(' ')}`
    assert.ok(name in scripts, `${where}: package.json has no such script`)
    const file = files.get(name)
    assert.ok(file, `${where}: deploy/weir.ts has no such command`)
    const { command } = (await import(file.href)) as { command: () => Command }
    assertArguments(command(), args, where)
  }
})

function assertArguments(command: Command, args: string[], where: string): void {
  let at = command
  for (const arg of args) {
    if (!arg.startsWith('--')) {
      const sub = at.commands.find((c) => c.name() === arg)
      // Else it is an argument, or the value of an option.
      if (sub !== undefined) at = sub
      else if (at.commands.length > 0) assert.fail(`${where}: there is no ${arg}`)
    } else if (arg !== '--help') {
      assert.ok(
        at.options.some(({ long }) => long === arg),
        `${where}: there is no option ${arg}`,
      )
    }
  }
}

test('commands are read with their arguments', () => {
  assert.deepEqual(commandsOf('`npm run keys -- revoke 4jx0w9ac` and `npm run api`'), [
    { name: 'keys', args: ['revoke', '4jx0w9ac'] },
    { name: 'api', args: [] },
  ])
})

test('what is missing has not come meanwhile', () => {})

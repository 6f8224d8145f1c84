import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import type { Command } from 'commander'
import { parse } from 'yaml'
import { commandFiles } from '../support/command-files.ts'

/** What somebody reads at three in the morning must be there: commands, their options, and Compose's services. */

const root = fileURLToPath(new URL('../../', import.meta.url))
const read = (path: string): string => readFileSync(`${root}${path}`, 'utf8')
/** All but the changelog, which tells of what was. */
const PAGES = globSync(['*.md', 'docs/*.md', 'deploy/**/*.md'], { cwd: root })
  .filter((page) => page !== 'CHANGELOG.md')
  .sort()

const { scripts } = JSON.parse(read('package.json'))
const { services } = parse(read('deploy/compose/compose.yaml'), { merge: true, maxAliasCount: -1 })

const files = commandFiles()

interface Documented {
  name: string
  args: string[]
}

const wordsOf = (text = ''): string[] => text.trim().split(/\s+/).filter(Boolean)
/** Up to what ends it: a comment, another command, where its output goes. */
const UNTIL = String.raw`((?:(?! #| \\?\||&&|;|>|<)[^\`\n])*)`
const oneLine = (text: string): string => text.replaceAll(/\\\n\s*/g, '')

/** `npm run NAME -- ARGUMENTS` in code spans and blocks. */
const commandsOf = (text: string): Documented[] =>
  [
    ...oneLine(text).matchAll(new RegExp(String.raw`npm run (?:--silent )?([\w:-]+)(?: -- ${UNTIL})?`, 'g')),
  ].map(([, name, args]) => ({ name, args: wordsOf(args) }))

/** `docker compose run --rm SERVICE ARGUMENTS`: without arguments it is the service's own command. */
const runsOf = (text: string): { service: string; args: string[] }[] =>
  [
    ...oneLine(text).matchAll(
      new RegExp(String.raw`docker compose run --rm(?: --no-deps| --env \S+)* ([\w-]+)${UNTIL}`, 'g'),
    ),
  ].map(([, service, args]) => ({ service, args: wordsOf(args) }))

async function assertCommand({ name, args }: Documented, where: string): Promise<void> {
  const file = files.get(name)
  assert.ok(file, `${where}: deploy/weir.ts has no such command`)
  const { command } = (await import(file.href)) as { command: () => Command }
  assertArguments(command(), args, where)
}

function assertArguments(command: Command, args: string[], where: string): void {
  let at = command
  for (const arg of args) {
    if (!arg.startsWith('--')) {
      const sub = at.commands.find((c) => c.name() === arg)
      // Else it is an argument, or the value of an option.
      if (sub !== undefined) at = sub
      else if (at.commands.length > 0 && /^[a-z]/.test(arg)) assert.fail(`${where}: there is no ${arg}`)
    } else if (arg !== '--help') {
      assert.ok(
        at.options.some(({ long, negate }) => long === arg || (negate && arg === long)),
        `${where}: there is no option ${arg}`,
      )
    }
  }
}

for (const page of PAGES) {
  test(`every command of ${page} exists, with its options`, async () => {
    for (const { name, args } of commandsOf(read(page))) {
      const where = `npm run ${name} -- ${args.join(' ')}`
      assert.ok(name in scripts, `${where}: package.json has no such script`)
      // The others are tools of the checkout, with options of their own.
      if (files.has(name) && name !== 'bench') await assertCommand({ name, args }, where)
    }
    for (const { service, args } of runsOf(read(page))) {
      const where = `docker compose run --rm ${service} ${args.join(' ')}`
      assert.ok(service in services, `${where}: compose.yaml has no such service`)
      const [name, ...rest] = args
      if (name !== undefined) await assertCommand({ name, args: rest }, where)
    }
  })
}

test('Compose’s services are named as they are', () => {
  for (const page of PAGES)
    for (const [where, service] of oneLine(read(page)).matchAll(
      /docker compose (?:exec|restart|kill)(?: -T| --signal \S+)* ([\w-]+)/g,
    ))
      assert.ok(service in services, `${page}: ${where}`)
})

test('commands are read with their arguments', () => {
  assert.deepEqual(commandsOf('`npm run keys -- revoke 4jx0w9ac` and `npm run api`'), [
    { name: 'keys', args: ['revoke', '4jx0w9ac'] },
    { name: 'api', args: [] },
  ])
  assert.deepEqual(
    commandsOf('npm run --silent backup -- create --dir /x \\\n  --recipients y   # daily\n'),
    [{ name: 'backup', args: ['create', '--dir', '/x', '--recipients', 'y'] }],
  )
  assert.deepEqual(
    runsOf('docker compose run --rm --env A=b operator keys list | cat; docker compose run --rm roles'),
    [
      { service: 'operator', args: ['keys', 'list'] },
      { service: 'roles', args: [] },
    ],
  )
  const commands = commandsOf(read('deploy/runbook.md'))
  assert.ok(commands.length > 20, String(commands.length))
})

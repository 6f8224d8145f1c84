import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { parse } from 'yaml'
import { ROLE_NAMES } from '../../schemas/roles/roles.ts'
import { query } from '../harness.ts'
import { rolesServer } from '../support/roles.ts'
import { runCommand } from './commands.ts'

/** What Compose runs to its end before it starts anything else: an exit code that is not 0 keeps the whole of Weir down. */

interface Service {
  command: string[]
  environment: Record<string, string>
  depends_on?: Record<string, { condition: string }>
}

const { services } = parse(readFileSync('deploy/compose/compose.yaml', 'utf8'), {
  merge: true,
  maxAliasCount: -1,
}) as { services: Record<string, Service> }

/** Services that others wait for, those first that the next ones wait for. */
const awaited: string[] = []
function add(name: string): void {
  for (const [other, { condition }] of Object.entries(services[name].depends_on ?? {})) {
    add(other)
    if (condition === 'service_completed_successfully' && !awaited.includes(other)) awaited.push(other)
  }
}
for (const name of Object.keys(services)) add(name)

const DATABASE = 'compose'

test('what other services wait for ends with 0: at first, again, and when something about the roles has to be told', async (t) => {
  assert.deepEqual(awaited, ['roles', 'migrate'])
  const server = await rolesServer(t)
  await query(server.adminOf('postgres'), `CREATE DATABASE ${DATABASE} TEMPLATE template0`)
  // As secrets.sh makes them.
  for (const role of ROLE_NAMES)
    writeFileSync(join(server.secrets, role), `${randomBytes(32).toString('hex')}\n`, { mode: 0o444 })
  const admin = server.adminOf(DATABASE)
  const urls: Record<string, string> = {
    '/run/secrets/postgres_url': admin,
    '/run/secrets/fraud_owner_url': server.urlOf('fraud_owner', DATABASE),
  }

  /** `docker compose up` up to where the others start. @returns what was printed */
  async function up(when: string): Promise<string> {
    let printed = ''
    for (const name of awaited) {
      const { command, environment } = services[name]
      const args = command.map((arg) => arg.replace('/run/secrets', server.secrets))
      const { code, out, errors } = await runCommand(urls[environment.DATABASE_URL_FILE], ...args)
      assert.equal(code, 0, `${when}, ${name}: ${out}${errors}`)
      printed += out
    }
    return printed
  }

  await up('from nothing')
  await up('again')
  // What people have to look at, and `roles` does not put right by itself.
  await query(admin, `COMMENT ON ROLE fraud_api IS 'Weir: password set 2020-01-01T00:00:00.000Z'`)
  await query(admin, 'GRANT pg_monitor TO fraud_metrics')
  await query(admin, 'CREATE TABLE of_another (id int)')
  assert.match(await up('with an old password, a membership and somebody’s table'), /fraud_api/)
})

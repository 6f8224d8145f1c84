import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { runAfter } from '../../deploy/backup/after.ts'

const SECRETS = ['DATABASE_URL', 'PGPASSWORD', 'API_KEY', 'LOG_HMAC_KEY_FILE']

test('the command of --after gets the files, and nothing of how the database is reached', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'backup-after-'))
  t.after(() => rmSync(directory, { recursive: true }))
  const before = { ...process.env }
  t.after(() => {
    for (const name of SECRETS) delete process.env[name]
    Object.assign(process.env, before)
  })
  for (const name of SECRETS) process.env[name] = 'canary'
  const backup = join(directory, 'weir.dump.age')
  const command = `env > "${directory}/env" && echo "$1" "$2" > "${directory}/arguments" && test -n "$PATH" && test -n "$HOME"`
  assert.equal(await runAfter(command, backup, new AbortController().signal), null)
  assert.equal(readFileSync(join(directory, 'arguments'), 'utf8'), `${backup} ${backup}.json\n`)
  const environment = readFileSync(join(directory, 'env'), 'utf8')
  assert.doesNotMatch(environment, /canary/)
  assert.equal(await runAfter('exit 7', backup, new AbortController().signal), 'exit code 7')
})

import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { mkdtemp, readFile, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { startApi } from '../../api/main.ts'
import { createLogger } from '../../schemas/log.ts'
import { loadSettings } from '../../schemas/settings.ts'
import { freshDatabase } from '../harness.ts'
import { insert } from './api-rows.ts'

const PAGE = 'docs/api.md'
/** Said between the outputs of two blocks. */
const NEXT = '--- next'

/** The commands of the page, block by block; what npm start would have printed is of this test. */
const blocks = [...readFileSync(PAGE, 'utf8').matchAll(/^```sh\n(.*?)^```/gms)].map(([, block]) =>
  block.replace(/^export (WEIR|DATABASE_URL)=.*\n/gm, ''),
)

/** The page's curl has --json (7.82, 2022). */
const hasCurl = spawnSync('curl', ['--json', '{}', '--version']).status === 0
const needs = { skip: !hasCurl && 'needs curl 7.82 or later' }

test(`every command of ${PAGE} does what the page says`, needs, async (t) => {
  const DATABASE_URL = await freshDatabase(t)
  await insert(
    DATABASE_URL,
    ['a', 'b', 'c', 'd'].map((id, i) => ({ id, account: `ACC-${id}`, score: 0.95 - i / 50 })),
  )
  const settings = loadSettings(['DATABASE_URL'], { NODE_ENV: 'test', DATABASE_URL, PORT: '0' })
  const api = await startApi({ settings, log: createLogger('api', 'silent') })
  t.after(() => api.stop())

  // The project as it stands, but what the commands write is written here.
  const directory = await mkdtemp(join(tmpdir(), 'weir-docs-'))
  t.after(() => rm(directory, { recursive: true }))
  for (const name of ['package.json', 'node_modules', 'deploy'])
    await symlink(resolve(name), join(directory, name))
  const { PATH, HOME } = process.env
  const bash = spawn('bash', ['-euo', 'pipefail', '-c', blocks.join(`echo; echo '${NEXT}'\n`)], {
    cwd: directory,
    env: { PATH, HOME, DATABASE_URL, WEIR: api.url },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const [out, errors] = await Promise.all([text(bash.stdout), text(bash.stderr), once(bash, 'close')])
  assert.equal(bash.exitCode, 0, `${out}\n${errors}`)

  const outputs = out.split(`${NEXT}\n`)
  const expected = [
    /^\s*$/, // the key is in a variable
    /"transaction_id":"a".*"transaction_id":"b".*"count":2,"next_cursor":"/,
    /"transaction_id":"c".*"transaction_id":"d".*"count":2,"next_cursor":null/,
    /^HTTP\/1\.1 200.*^etag: "\d+".*"earlier_anomalies".*"account_id":"ACC-a"/ims,
    /"message":"The status was changed from NEW to FRAUD\."/,
    /^HTTP\/1\.1 409.*its status is FRAUD/s,
    /"previous_status":"FRAUD","new_status":"INVESTIGATED".*"changed":1/,
    /^\s*$/, // files
    /^\s*$/,
    /event: status\ndata: \{"transaction_id":"a".*"new_status":"DISMISSED"/,
    /"by_status".*"in_force".*"in_force"/s,
    /Branch 7 +read,triage +valid.*Branch 7 +read,triage +valid.*is revoked\./s,
    /Branch 7 \(key \w+\).*FRAUD -> INVESTIGATED.*"seq":6/s,
  ]
  assert.equal(outputs.length, expected.length)
  for (const [i, output] of outputs.entries()) assert.match(output, expected[i], blocks[i])
  const written = (name: string) => readFile(join(directory, name), 'utf8')
  assert.equal((await written('anomalies.csv')).split('\r\n').length, 6)
  assert.equal(JSON.parse(await written('decided.ndjson')).status, 'INVESTIGATED')
  assert.match(await written('events.txt'), /^id: \S+$/m)
  assert.equal((await written('audit.csv')).split('\r\n').length, 8)
  assert.match(errors, /6 rows, compared with 1 anchor: the chain is whole/)
})

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, rmSync } from 'node:fs'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'

async function benchAll(...args: string[]) {
  const argv = ['--import', 'tsx', 'deploy/weir.ts', 'bench', 'all', ...args]
  const child = spawn(process.execPath, argv, { stdio: ['ignore', 'pipe', 'pipe'] })
  const texts = Promise.all([text(child.stdout), text(child.stderr)])
  const [code] = await once(child, 'close')
  const [output, errors] = await texts
  return { code, output, errors }
}

test('all benchmarks are run in processes of their own, and their results kept', async (t) => {
  const { code, output, errors } = await benchAll('--quick', '--only', 'stages')
  const file = /^Kept in (bench\/results\/stages-.*\.json)$/m.exec(errors)?.[1]
  assert.ok(file !== undefined, errors)
  t.after(() => rmSync(file))
  assert.equal(code, 0)
  assert.match(output, /us a transaction/)
  assert.match(errors, /^stages: exit code 0, \d+ s$/m)
  const { benchmark, host, decode_us } = JSON.parse(readFileSync(file, 'utf8'))
  assert.equal(benchmark, 'stages')
  assert.ok(decode_us > 0 && host.cores > 0)
})

test('a benchmark that is not there is refused with its name', async () => {
  const { code, errors } = await benchAll('--only', 'stages,speed')
  assert.equal(code, 1)
  assert.match(errors, /no benchmark speed/)
})

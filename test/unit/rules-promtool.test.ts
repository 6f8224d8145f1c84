import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { cacheDirectory } from '../../schemas/cache-directory.ts'

/** On the PATH, or where `npm run test:alerts` has left it; that runs what takes a minute, too: weir_weeks_test.yml. */
const promtool = [
  'promtool',
  join(cacheDirectory(undefined), 'debian-prometheus', 'usr', 'bin', 'promtool'),
].find(
  (program) =>
    (program === 'promtool' || existsSync(program)) && spawnSync(program, ['--version']).status === 0,
)
const needs =
  promtool === undefined
    ? { skip: 'promtool is not here: apt-get install prometheus, or npm run test:alerts' }
    : {}

const path = (name: string): string =>
  fileURLToPath(new URL(`../../deploy/prometheus/${name}`, import.meta.url))

const run = (...args: string[]) => {
  const { status, stdout, stderr } = spawnSync(promtool!, args, { encoding: 'utf8' })
  assert.equal(status, 0, `${args.join(' ')}: ${stdout}${stderr}`)
}

test('promtool accepts the rules and the configuration', needs, () => {
  run('check', 'rules', path('rules/weir.yml'))
  run('check', 'config', '--syntax-only', path('prometheus.yml'))
})

test('each alert fires and is silent as its tests say', needs, () => {
  run('test', 'rules', path('rules/weir_test.yml'))
})

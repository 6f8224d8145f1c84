import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { findDebianProgram } from '../tools/debian.ts'

/** The machine's, or what `npm run test:alerts` has left; that runs what takes a minute, too: weir_weeks_test.yml. */
const promtool = findDebianProgram('prometheus', 'promtool')
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

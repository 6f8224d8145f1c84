import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { withoutDiscovery } from '../support/watching.ts'
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

test('promtool accepts the rules and the configuration', needs, (t) => {
  run('check', 'rules', path('rules/weir.yml'))
  run('check', 'config', '--syntax-only', path('prometheus.yml'))
  const directory = mkdtempSync(join(tmpdir(), 'weir-promtool-'))
  t.after(() => rmSync(directory, { recursive: true }))
  const file = join(directory, 'kubernetes.yml')
  writeFileSync(file, withoutDiscovery(readFileSync(path('kubernetes.yml'), 'utf8')))
  run('check', 'config', '--syntax-only', file)
})

test('each alert fires and is silent as its tests say', needs, () => {
  run('test', 'rules', path('rules/weir_test.yml'))
})

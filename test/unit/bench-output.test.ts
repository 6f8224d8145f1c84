import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileName, keepResult } from '../../bench/output.ts'

const AT = new Date('2026-11-24T15:30:59Z')

test("a kept result's name says which benchmark, when, and of which commit where there is one", () => {
  assert.equal(fileName('growth', AT, '51d550b'), 'growth-2026-11-24-1530-51d550b.json')
  assert.equal(fileName('growth', AT, null), 'growth-2026-11-24-1530.json')
})

test('a kept result is the report, with the same beside it', (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'weir-results-'))
  t.after(() => rmSync(directory, { recursive: true }))
  const file = keepResult('scale', { pipeline_tps: 7 }, join(directory, 'new'), AT)
  const { commit, ...kept } = JSON.parse(readFileSync(file, 'utf8'))
  assert.deepEqual(kept, { benchmark: 'scale', at: AT.toISOString(), pipeline_tps: 7 })
  assert.ok(commit === null || /^[0-9a-f]{7,}(-changed)?$/.test(commit))
  assert.ok(file.endsWith(fileName('scale', AT, commit)))
})

import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { auditGauges } from '../../api/audit/gauges.ts'
import { writeTextfile } from '../../schemas/textfile.ts'
import { documentedMetrics, familiesOf } from '../support/watching.ts'

function directoryOf(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'weir-textfile-'))
  t.after(() => rmSync(directory, { recursive: true }))
  return directory
}

const WHOLE = { rows: 1, head: null, findings: [] }

test('a verification leaves a file for Prometheus, with the metrics of the table and nothing beside it', (t) => {
  const directory = directoryOf(t)
  const path = join(directory, 'audit.prom')
  const finding = { kind: 'edited', seq: 3, to: 3, message: 'row 3 was edited' } as const
  writeTextfile(path, auditGauges(WHOLE, 1000))
  writeTextfile(path, auditGauges({ rows: 7, head: null, findings: [finding] }, 1_796_000_000_500))
  assert.deepEqual(readdirSync(directory), ['audit.prom'])
  const text = readFileSync(path, 'utf8')
  assert.match(text, /^weir_audit_rows 7$/m)
  assert.match(text, /^weir_audit_findings 1$/m)
  assert.match(text, /^weir_audit_verified_timestamp_seconds 1796000000\.5$/m)
  const documented = [...documentedMetrics().values()].filter(
    ({ name, by }) => by.includes('file') && name.startsWith('weir_audit'),
  )
  const families = familiesOf(text)
  assert.deepEqual([...families.keys()].sort(), documented.map(({ name }) => name).sort())
  for (const { name, type } of documented) assert.equal(families.get(name)!.type, type)
})

test('all may read the file, whatever umask a timer has', (t) => {
  const before = process.umask(0o077)
  t.after(() => process.umask(before))
  const path = join(directoryOf(t), 'audit.prom')
  writeTextfile(path, auditGauges(WHOLE, 0))
  assert.equal(statSync(path).mode & 0o777, 0o644)
})

test('a file that cannot be written is told, and leaves nothing', (t) => {
  const directory = directoryOf(t)
  assert.throws(() => writeTextfile(join(directory, 'missing', 'audit.prom'), auditGauges(WHOLE, 0)), {
    code: 'ENOENT',
  })
  mkdirSync(join(directory, 'audit.prom'))
  assert.throws(() => writeTextfile(join(directory, 'audit.prom'), auditGauges(WHOLE, 0)))
  assert.deepEqual(readdirSync(directory), ['audit.prom'])
})

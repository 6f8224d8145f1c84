import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { writeTextfile } from '../../api/audit/textfile.ts'
import { documentedMetrics, familiesOf } from '../support/watching.ts'

test('a verification leaves a file for Prometheus, with the metrics of the table and nothing beside it', (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'weir-textfile-'))
  t.after(() => rmSync(directory, { recursive: true }))
  const path = join(directory, 'audit.prom')
  const finding = { kind: 'edited', seq: 3, to: 3, message: 'row 3 was edited' } as const
  writeTextfile(path, { rows: 1, head: null, findings: [] }, 1000)
  writeTextfile(path, { rows: 7, head: null, findings: [finding] }, 1_796_000_000_500)
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
  assert.throws(
    () => writeTextfile(join(directory, 'missing', 'audit.prom'), { rows: 0, head: null, findings: [] }, 0),
    {
      code: 'ENOENT',
    },
  )
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { severityOf } from '../../pipeline/severity.ts'

test('a score at a limit, as the column of 32 bits has it, is in the band that begins there', () => {
  const bands = [0, 0.69, 0.7, 0.79, 0.8, 0.89, 0.9, 1].map((score) => severityOf(Math.fround(score)))
  assert.deepEqual(bands, ['low', 'low', 'medium', 'medium', 'high', 'high', 'critical', 'critical'])
})

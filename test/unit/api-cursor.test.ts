import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import { decodeCursor, encodeCursor } from '../../api/cursor.ts'
import { Problem } from '../../api/problems.ts'

const place = z.tuple([z.string()])

test('a cursor is good for the list, filter and order that it was made for, and for no other', () => {
  const list = ['anomalies', { status: ['NEW'], min_score: 0.8, order: 'score' }]
  const cursor = encodeCursor(list, ['T-1'])
  assert.deepEqual(decodeCursor(list, cursor, place), ['T-1'])
  for (const other of [
    ['timeline', list[1]],
    ['anomalies', { status: ['NEW'], min_score: 0.9, order: 'score' }],
    ['anomalies', { status: ['FRAUD'], min_score: 0.8, order: 'score' }],
    ['anomalies', { status: ['NEW'], min_score: 0.8, order: 'loss' }],
  ])
    assert.throws(
      () => decodeCursor(other, cursor, place),
      (error) => error instanceof Problem && error.status === 422,
    )
})

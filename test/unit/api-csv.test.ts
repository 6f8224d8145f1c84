import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parse } from 'csv-parse/sync'
import fc from 'fast-check'
import { csvLine } from '../../api/csv.ts'

test('a line of CSV is by RFC 4180', () => {
  assert.equal(csvLine(['a', 1.5, true, null, undefined]), 'a,1.5,true,,\r\n')
  assert.equal(csvLine(['a,b', 'say "x"', 'two\r\nlines']), '"a,b","say ""x""","two\r\nlines"\r\n')
  assert.equal(csvLine([{ code: 'A' }]), '"{""code"":""A""}"\r\n')
  assert.equal(csvLine([' spaces ']), '" spaces "\r\n')
})

test('no text begins like a formula', () => {
  for (const text of ['=1+1', '+1', '-1', '@SUM(A1)', '\t=1', '\r=1', '\n=1', '＝1', '=cmd|"/C calc"!A0'])
    assert.match(csvLine([text]), /^"'/, JSON.stringify(text))
  // Numbers are ours, and stay numbers.
  assert.equal(csvLine([-1]), '-1\r\n')
})

test('whatever the texts are, a reader of CSV gets them back', () => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: 'binary' }), { minLength: 1, maxLength: 5 }), (texts) => {
      const [row]: string[][] = parse(csvLine(texts), { record_delimiter: '\r\n' })
      assert.deepEqual(
        row.map((field, i) => (field === `'${texts[i]}` ? texts[i] : field)),
        texts,
      )
    }),
  )
})

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import type { BadLine } from '../../pipeline/produce/batch.ts'
import { MAX_LINE_BYTES } from '../../pipeline/produce/lines.ts'
import { parseCsv } from '../../pipeline/produce/parse-csv.ts'
import { transactionLines } from '../../pipeline/produce/parse-fields.ts'
import type { Transaction } from '../../schemas/transaction.ts'

const HEADER = 'transaction_id,account_id,timestamp,amount,merchant_category,location'

/** A whole line with this id. */
const line = (id: string, category = 'Groceries', location = 'Oulu') =>
  `${id},a1,2026-01-01,12.50,${category},${location}`

/** Reads the CSV in chunks of so many bytes. */
async function read(content: string | Buffer, chunkBytes = 1 << 20) {
  const bytes = Buffer.from(content as string)
  async function* chunks() {
    for (let at = 0; at < bytes.length; at += chunkBytes) yield bytes.subarray(at, at + chunkBytes)
  }
  const result = {
    transactions: [] as Transaction[],
    bad: [] as BadLine[],
    rounded: 0,
    warnings: [] as string[],
  }
  const warn = (message: string) => void result.warnings.push(message)
  for await (const { items, bad } of parseCsv(chunks(), transactionLines, warn)) {
    result.transactions.push(...items.map((item) => item.transaction))
    result.bad.push(...bad)
    result.rounded += items.filter((item) => item.rounded).length
  }
  return result
}

const ids = ({ transactions }: { transactions: Transaction[] }) => transactions.map((t) => t.transaction_id)
const badLines = ({ bad }: { bad: BadLine[] }) => bad.map((b) => b.line)

describe('a CSV header', () => {
  test('may have its columns in any order, and optional ones missing', async () => {
    const { transactions } = await read(
      'amount,is_fraud,timestamp,account_id,transaction_id\n1.5,1,2026-01-01,a,t\n',
    )
    assert.deepStrictEqual(
      [
        transactions[0].transaction_id,
        transactions[0].amount,
        transactions[0].is_fraud,
        transactions[0].currency,
      ],
      ['t', 15_000, true, 'EUR'],
    )
  })

  test('with unknown columns gives one warning that names them', async () => {
    const { warnings, transactions } = await read(
      `${HEADER},note,x y\n${line('t')},n,m\n${line('u')},n,m\n`,
      16,
    )
    assert.deepStrictEqual(warnings, ['columns ignored: note, x y'])
    assert.equal(transactions.length, 2)
  })

  test('may have a byte order mark, quotes and spaces', async () => {
    const file = '\ufeff"transaction_id", account_id,timestamp,amount \r\nt,a,2026-01-01,1\r\n'
    for (const chunkBytes of [1, 2, 1000]) assert.deepStrictEqual(ids(await read(file, chunkBytes)), ['t'])
  })

  const unusable: [what: string, content: string | Buffer, message: RegExp][] = [
    [
      'lacks required columns',
      'transaction_id,timestamp\n',
      /header \(line 1\) lacks the columns account_id, amount/,
    ],
    ['has other separators', `${HEADER.replaceAll(',', ';')}\n`, /lacks the columns.*are commas between/],
    ['has a column twice', `${HEADER},amount\n`, /header \(line 1\) has the column amount twice/],
    ['is a data line', `${line('t')}\n`, /lacks the columns/],
    ['has an open quote', `"${HEADER}\n${line('t')}\n`, /header \(line 1\) is no CSV/],
    ['is not UTF-8', Buffer.from(`${HEADER},ä\n`, 'latin1'), /header \(line 1\) is not valid UTF-8/],
    ['is missing in an empty file', '', /file is empty/],
    ['is missing in a file of empty lines', '\n\n', /file is empty/],
  ]
  for (const [what, content, message] of unusable) {
    test(`that ${what} is an error`, () => assert.rejects(read(content), { message }))
  }

  test('alone is a file without transactions', async () => {
    assert.deepStrictEqual(ids(await read(HEADER)), [])
  })
})

describe('a CSV line', () => {
  test('has its physical number, whatever ends the lines and however many are empty', async () => {
    for (const end of ['\n', '\r\n']) {
      const file = [HEADER, line('t2'), '', 'short', '', line('t6'), 'a,b'].join(end)
      const result = await read(file)
      assert.deepStrictEqual(
        [ids(result), badLines(result)],
        [
          ['t2', 't6'],
          [4, 7],
        ],
      )
    }
  })

  test('with a line break in a quoted value counts by its first line, and so do those after it', async () => {
    const file = `${HEADER}\r\n${line('t2', '"two\r\nlines"')}\r\nshort\r\n${line('t5', '"a\n\n""b"""')}\r\nshort\r\n`
    const result = await read(file)
    assert.deepStrictEqual(
      [ids(result), badLines(result)],
      [
        ['t2', 't5'],
        [4, 8],
      ],
    )
    assert.deepStrictEqual(
      result.transactions.map((t) => t.merchant_category),
      ['two\r\nlines', 'a\n\n"b"'],
    )
  })

  test('that goes on over lines and has the wrong number of columns is bad, and so is each of its lines', async () => {
    const result = await read([HEADER, line('t2'), 'x,"a', 'b",c', line('t5')].join('\n'))
    assert.deepStrictEqual(
      [ids(result), badLines(result)],
      [
        ['t2', 't5'],
        [3, 4],
      ],
    )
    assert.equal(result.bad[0].reason, 'has 3 columns; the header has 6')
  })

  test('may quote any value, with commas and doubled quotes', async () => {
    const { transactions } = await read(`${HEADER}\n"t","a","2026-01-01","1.50","a ""b"", c",""\n`)
    assert.equal(transactions[0].merchant_category, 'a "b", c')
  })

  const bad: [what: string, text: string | Buffer, reason: RegExp][] = [
    ['has too few columns', 't,a', /^has 2 columns; the header has 6$/],
    ['has too many columns', `${line('x')},x`, /^has 7 columns; the header has 6$/],
    ['has spaces only', '   ', /^has 1 columns/],
    ['has a pair of quotes inside a value', line('x', 'a"b"c'), /quote inside a value that is not quoted/],
    ['has text behind a closing quote', line('x', '"a"b'), /text behind a closing quote/],
    ['has an inch sign', line('x', '21" screen'), /quote inside a value that is not quoted/],
    ['is not UTF-8', Buffer.from(line('x', 'Café'), 'latin1'), /^is not valid UTF-8$/],
    ['is far too long', line('x', 'y'.repeat(MAX_LINE_BYTES)), /^is longer than 500000 bytes$/],
  ]
  for (const [what, text, reason] of bad) {
    test(`that ${what} is bad, and its neighbours are sent`, async () => {
      const file = Buffer.concat(
        [`${HEADER}\n${line('t2')}\n`, text, `\n${line('t4')}\n`].map((part) => Buffer.from(part as string)),
      )
      for (const chunkBytes of [1 << 20, 65_536, 997]) {
        const result = await read(file, chunkBytes)
        assert.deepStrictEqual([ids(result), badLines(result)], [['t2', 't4'], [3]])
        assert.match(result.bad[0].reason, reason)
      }
    })
  }
})

describe('a stray quote in a CSV', () => {
  const strays: [where: string, lines: string[], sent: string[], bad: number[]][] = [
    [
      'at the start of a value that never closes',
      [line('t2', '"Groceries'), line('t3'), line('t4')],
      ['t3', 't4'],
      [2],
    ],
    ['in the last line', [line('t2'), line('t3', '"Groceries')], ['t2'], [3]],
    [
      'in two lines with whole ones between',
      [line('t2', '"A'), line('t3'), line('t4', '"B'), line('t5')],
      ['t3', 't5'],
      [2, 4],
    ],
    ['in two neighbouring lines', [line('t2', '"A'), line('t3', 'B"'), line('t4')], ['t4'], [2, 3]],
    [
      'that a quoted value much later would close',
      [line('t2', '"A'), line('t3'), line('t4', '"B, C"'), line('t5')],
      ['t3', 't4', 't5'],
      [2],
    ],
    [
      'before a line that has a quoted line break of its own',
      [line('t2', '"A'), line('t3', '"B\nC"'), line('t5')],
      ['t3', 't5'],
      [2],
    ],
    ['before lines that are bad for other reasons', [line('t2', '"A'), 'x,y', line('t4')], ['t4'], [2, 3]],
    ['at the very start of a line', [`"${line('t2')}`, line('t3')], ['t3'], [2]],
    ['at the very end of a line', [`${line('t2')}"`, line('t3')], ['t3'], [2]],
  ]
  for (const [where, lines, sent, bad] of strays) {
    test(`swallows no other line: ${where}`, async () => {
      for (const chunkBytes of [1 << 20, 64, 7, 1]) {
        const result = await read([HEADER, ...lines].join('\n'), chunkBytes)
        assert.deepStrictEqual([ids(result), badLines(result)], [sent, bad])
      }
    })
  }

  test('costs its own line only, in the midst of thousands', async () => {
    const lines = Array.from({ length: 5000 }, (_, i) =>
      line(`t${i + 2}`, i % 100 === 50 ? '"Groceries' : '"a, b"'),
    )
    const result = await read([HEADER, ...lines, ''].join('\n'), 10_000)
    assert.equal(result.transactions.length, 4950)
    assert.deepStrictEqual(badLines(result).slice(0, 2), [52, 152])
  })

  test('before half a megabyte without another quote is given up', async () => {
    const many = Array.from({ length: 40_000 }, () => 'no whole line')
    const result = await read([HEADER, line('t2', '"A'), ...many, line('last')].join('\n'), 65_536)
    assert.deepStrictEqual(ids(result), ['last'])
    assert.equal(result.bad.length, 40_001)
  })
})

test('any values that are written as CSV are read back, however the bytes are cut', async () => {
  const value = fc.stringMatching(/^[ -~ä€\n]{0,12}$/)
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.record({ category: value, location: value, quoted: fc.boolean() }), {
        minLength: 1,
        maxLength: 8,
      }),
      fc.integer({ min: 1, max: 50 }),
      async (rows, chunkBytes) => {
        // A value with every column on one of its lines is taken for a line of its own, on purpose.
        fc.pre(rows.every((row) => !/\n.*(,.*){3}/.test(`${row.category}\n${row.location}`)))
        const cell = (text: string, quoted: boolean) =>
          quoted || /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
        const lines = rows.map((row, i) =>
          line(`t${i}`, cell(row.category, row.quoted), cell(row.location, row.quoted)),
        )
        const { transactions, bad } = await read([HEADER, ...lines].join('\r\n'), chunkBytes)
        assert.deepStrictEqual(bad, [])
        assert.deepStrictEqual(
          transactions.map((t) => [t.merchant_category, t.location]),
          rows.map((row) => [row.category, row.location]),
        )
      },
    ),
    { numRuns: 300 },
  )
})

test('amounts of more than four decimals are counted as rounded, those of bad lines are not', async () => {
  const { rounded, transactions } = await read(
    'transaction_id,account_id,timestamp,amount\nt,a,2026-01-01,1.00005\nu,a,2026-01-01,1.0001\nv,a,never,1.00005\n',
  )
  assert.equal(rounded, 1)
  assert.deepStrictEqual(
    transactions.map((t) => t.amount),
    [10_000, 10_001],
  )
})

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { IHeaders, KafkaMessage } from 'kafkajs'
import { entriesOf, filtered, named } from '../../pipeline/dead-letters/entries.ts'
import { bytesAsText, type Letter, readLetter, replayHeaders } from '../../pipeline/dead-letters/letter.ts'
import { statsOf } from '../../pipeline/dead-letters/stats.ts'
import { HOUR, NOON } from '../support/transactions.ts'

interface Given {
  origin?: string
  replayOf?: string
  code?: string
  /** Milliseconds after noon. */
  at?: number
  value?: string | null
  key?: Buffer | null
}

/** A record of the dead-letter topic as Kafka gives it. */
function message({ origin = 'tx/0/1', replayOf, code = 'INVALID_ID', at = 0, value = 'v', key }: Given = {}) {
  const [topic, partition, offset] = origin.split('/')
  const headers: IHeaders = {
    'weir-topic': Buffer.from(topic),
    'weir-partition': Buffer.from(partition),
    'weir-offset': Buffer.from(offset),
    'weir-timestamp': Buffer.from('1000'),
    'weir-code': Buffer.from(code),
    'weir-message': Buffer.from('because'),
  }
  if (replayOf !== undefined) headers['weir-replay-of'] = Buffer.from(replayOf)
  return {
    key: key === undefined ? Buffer.from('a-1') : key,
    value: value === null ? null : Buffer.from(value),
    timestamp: String(NOON + at),
    offset: '7',
    attributes: 0,
    headers,
  } as KafkaMessage
}

const letter = (given: Given): Letter => readLetter(2, message(given))!

describe('a letter', () => {
  test('tells where it stands, where the record stood and why it was rejected', () => {
    const { digest, ...rest } = letter({ origin: 'my.topic-1_x/3/12', code: 'CONFLICT' })
    assert.deepEqual(rest, {
      place: { partition: 2, offset: 7 },
      rejectedAt: NOON,
      origin: 'my.topic-1_x/3/12',
      replayOf: undefined,
      sentAt: 1000,
      code: 'CONFLICT',
      message: 'because',
      key: 'a-1',
      isCut: false,
    })
    assert.equal(digest.length, 22)
  })

  test('is none without the headers that the pipeline adds', () => {
    for (const name of ['weir-topic', 'weir-partition', 'weir-offset', 'weir-code']) {
      const foreign = message()
      delete foreign.headers![name]
      assert.equal(readLetter(0, foreign), undefined, name)
    }
    assert.equal(readLetter(0, { ...message(), headers: undefined } as KafkaMessage), undefined)
    assert.equal(readLetter(0, message({ origin: 'tx/x/1' })), undefined)
  })

  test('is of another content with any other value or key, none and empty ones too', () => {
    const digests = [
      letter({}),
      letter({ value: 'w' }),
      letter({ value: '' }),
      letter({ value: null }),
      letter({ key: null }),
      letter({ key: Buffer.alloc(0) }),
      letter({ key: Buffer.from('a-1v'), value: '' }),
    ].map(({ digest }) => digest)
    assert.equal(new Set(digests).size, digests.length)
    assert.equal(letter({ code: 'CONFLICT', origin: 'tx/5/5', at: 9 }).digest, digests[0])
  })

  test('is replayed with its own headers, and its first origin in the place of any other', () => {
    const { headers } = message({ replayOf: 'tx/9/9' })
    Object.assign(headers!, { trace: Buffer.from('t-1'), twice: ['a', 'b'] })
    assert.deepEqual(replayHeaders(headers!, 'tx/0/1'), {
      trace: Buffer.from('t-1'),
      twice: ['a', 'b'],
      'weir-replay-of': 'tx/0/1',
    })
  })

  test('shows keys that are no text as hex, and long ones cut off', () => {
    assert.equal(bytesAsText(Buffer.from([0xff, 0]), 10), '0xff00')
    assert.equal(bytesAsText(Buffer.from('é'), 10), 'é')
    assert.equal(bytesAsText(Buffer.alloc(50, 'x'), 10), `${'x'.repeat(10)}…`)
    assert.equal(bytesAsText(Buffer.alloc(50, 0xff), 10), `0x${'f'.repeat(8)}…`)
  })
})

describe('entries', () => {
  test('hold each origin once: of several letters the first counts', () => {
    const entries = entriesOf([letter({ at: 5, code: 'CONSTRAINT' }), letter({ at: 1 }), letter({ at: 3 })])
    assert.equal(entries.length, 1)
    const [{ origin, first, newest, letters, returned }] = entries
    assert.deepEqual(
      [origin, first.rejectedAt, newest.code, letters.length, returned],
      ['tx/0/1', NOON + 1, 'INVALID_ID', 1, 0],
    )
  })

  test('hold what was replayed under its first origin, with the newest code and how often it came back', () => {
    const entries = entriesOf([
      letter({ origin: 'tx/0/9', replayOf: 'tx/0/1', at: 30, code: 'CONSTRAINT' }),
      letter({ origin: 'tx/0/5', replayOf: 'tx/0/1', at: 20 }),
      letter({ origin: 'tx/0/5', replayOf: 'tx/0/1', at: 21 }),
      letter({ origin: 'tx/0/1', at: 10, code: 'UNKNOWN_SCHEMA' }),
      letter({ origin: 'tx/0/2', at: 40 }),
    ])
    assert.deepEqual(
      entries.map((e) => [e.origin, e.newest.code, e.returned, e.letters.length]),
      [
        ['tx/0/1', 'CONSTRAINT', 2, 3],
        ['tx/0/2', 'INVALID_ID', 0, 1],
      ],
    )
    assert.deepEqual(entries, entriesOf(entries.flatMap((e) => e.letters).reverse()))
  })

  test('hold a replay whose first letter was deleted already under its first origin', () => {
    const [entry] = entriesOf([letter({ origin: 'tx/0/5', replayOf: 'tx/0/1' })])
    assert.deepEqual([entry.origin, entry.first.origin, entry.returned], ['tx/0/1', 'tx/0/5', 1])
  })

  test('hide no record behind another: not one that claims to be its replay, not one of a topic made anew', () => {
    const entries = entriesOf([
      letter({ origin: 'tx/0/1', value: 'honest' }),
      letter({ origin: 'tx/0/5', replayOf: 'tx/0/1', value: 'a liar', at: 1 }),
      letter({ origin: 'tx/0/1', value: 'of the new topic', at: 2 }),
    ])
    assert.equal(entries.length, 3)
    assert.equal(new Set(entries.map((entry) => entry.id)).size, 3)
  })

  test('ignore a claimed first origin that is none', () => {
    const [entry] = entriesOf([letter({ replayOf: '\x1b[2J' })])
    assert.deepEqual([entry.origin, entry.returned], ['tx/0/1', 0])
  })

  const some = entriesOf([
    letter({ origin: 'tx/0/1', at: 0, code: 'CONFLICT' }),
    letter({ origin: 'tx/0/2', at: 1 }),
    letter({ origin: 'tx/0/3', at: HOUR, code: 'CONSTRAINT' }),
    letter({ origin: 'tx/0/4', at: HOUR, replayOf: 'tx/0/1' }),
  ])
  const originsOf = (entries: typeof some) => entries.map((entry) => entry.origin)

  test('are filtered by the newest code and time, the start included, the end not; the newest come first', () => {
    assert.deepEqual(originsOf(filtered(some, { codes: [] })).at(-1), 'tx/0/2')
    assert.deepEqual(originsOf(filtered(some, { codes: ['CONFLICT'] })), [])
    assert.deepEqual(originsOf(filtered(some, { codes: ['CONSTRAINT', 'CONFLICT'] })), ['tx/0/3'])
    assert.deepEqual(originsOf(filtered(some, { codes: [], until: NOON + HOUR })), ['tx/0/2'])
    assert.deepEqual(originsOf(filtered(some, { codes: [], since: NOON + 1, until: NOON + 2 })), ['tx/0/2'])
    assert.equal(filtered(some, { codes: [], since: NOON + HOUR }).length, 2)
  })

  test("are found by their first origin and by a replay's; an origin that is not there is named", () => {
    assert.deepEqual(originsOf(named(some, ['tx/0/4', 'tx/0/1'])), ['tx/0/1'])
    assert.throws(() => named(some, ['tx/0/2', 'tx/7/7']), /no dead letter of tx\/7\/7;/)
  })

  test('are counted by code and by hour, each once', () => {
    const noon = new Date(NOON).toISOString()
    const one = new Date(NOON + HOUR).toISOString()
    assert.deepEqual(statsOf(some), {
      dead_letters: 3,
      returned: 1,
      by_code: [
        { code: 'INVALID_ID', count: 2, returned: 1 },
        { code: 'CONSTRAINT', count: 1, returned: 0 },
      ],
      by_hour: [
        { hour: noon, code: 'INVALID_ID', count: 1 },
        { hour: one, code: 'CONSTRAINT', count: 1 },
        { hour: one, code: 'INVALID_ID', count: 1 },
      ],
    })
  })
})

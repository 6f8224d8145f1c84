import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { differences } from '../../deploy/backup/compare.ts'
import {
  connectionEnvironment,
  databaseArgument,
  placeOf,
  withDatabase,
} from '../../deploy/backup/connection.ts'
import type { Facts } from '../../deploy/backup/manifest.ts'
import { nextSteps } from '../../deploy/backup/next-steps.ts'
import type { Restored } from '../../deploy/backup/restore.ts'

const FACTS: Facts = {
  taken_at: '2026-11-24T03:00:00.000Z',
  migrations: ['0001_transactions', '0002_positions'],
  tables: [
    { name: 'public.labels', rows: 3, sampled: 1, digest: '12' },
    { name: 'public.positions', rows: 1, sampled: 1, digest: '34' },
  ],
  positions: [{ topic: 'transactions', partition: 0, next_offset: 7, stored: 6 }],
  sequences: [{ name: 'public.labels_id_seq', last_value: 3 }],
  audit: { seq: 4, hash: 'ab'.repeat(32) },
  labels: { fraud: 1, genuine: 2, taken_back: 0 },
  roles: ['fraud_api'],
}

describe('what is different in a restored database', () => {
  const cases: [string, Partial<Facts>, string[]][] = [
    ['nothing', { taken_at: 'another', roles: [] }, []],
    [
      'a table that is missing, and one too many',
      { tables: [FACTS.tables[0], { ...FACTS.tables[1], name: 'public.other' }] },
      ['table public.positions is missing', 'table public.other is there, and was not'],
    ],
    [
      'fewer rows',
      { tables: [{ ...FACTS.tables[0], rows: 2 }, FACTS.tables[1]] },
      ['table public.labels: 2 rows instead of 3'],
    ],
    [
      'the content of a row',
      { tables: [{ ...FACTS.tables[0], digest: '13' }, FACTS.tables[1]] },
      ['table public.labels: the content of its rows is different'],
    ],
    [
      'a position',
      { positions: [{ ...FACTS.positions[0], next_offset: 8 }] },
      ['position of transactions/0: 8 instead of 7'],
    ],
    ['no position', { positions: [] }, ['position of transactions/0 is missing']],
    [
      'a sequence that would give numbers again',
      { sequences: [{ ...FACTS.sequences[0], last_value: 2 }] },
      ['sequence public.labels_id_seq: at 2, before 3'],
    ],
    [
      'a sequence that went on while the dump ran',
      { sequences: [{ ...FACTS.sequences[0], last_value: 9 }] },
      [],
    ],
    [
      'a sequence at its beginning',
      { sequences: [] },
      ['sequence public.labels_id_seq: at its beginning, before 3'],
    ],
    [
      'the migrations',
      { migrations: ['0001_transactions'] },
      ['migrations: ["0001_transactions"] instead of ["0001_transactions","0002_positions"]'],
    ],
    [
      'the labels',
      { labels: { fraud: 2, genuine: 1, taken_back: 0 } },
      ['labels: {"fraud":2,"genuine":1,"taken_back":0} instead of {"fraud":1,"genuine":2,"taken_back":0}'],
    ],
    ['the audit', { audit: null }, [`head of the audit: null instead of ${JSON.stringify(FACTS.audit)}`]],
  ]
  for (const [what, change, expected] of cases)
    test(`is told: ${what}`, () => assert.deepEqual(differences(FACTS, { ...FACTS, ...change }), expected))
})

describe('how PostgreSQL’s programs reach the database', () => {
  test('is in their environment, password and all, and not in an argument', () => {
    const url =
      'postgres://us%40er:p%2Fw%3A%20%25@db.example:5433/the%20%27db%5C?sslmode=verify-full&sslrootcert=/ca.pem'
    assert.deepEqual(connectionEnvironment(url), {
      PGHOST: 'db.example',
      PGPORT: '5433',
      PGUSER: 'us@er',
      PGPASSWORD: 'p/w: %',
      PGDATABASE: "the 'db\\",
      PGSSLMODE: 'verify-full',
      PGSSLROOTCERT: '/ca.pem',
      PGCONNECT_TIMEOUT: '10',
      PGAPPNAME: 'weir-backup',
    })
    assert.equal(databaseArgument(url), String.raw`--dbname=dbname='the \'db\\'`)
    assert.equal(placeOf(url), "db.example:5433/the 'db\\")
  })

  test('by a socket and by IPv6', () => {
    const bySocket = connectionEnvironment('postgres://weir@localhost/weir?host=/run/postgresql')
    assert.deepEqual(
      [bySocket.PGHOST, bySocket.PGPORT, bySocket.PGSSLMODE],
      ['/run/postgresql', undefined, undefined],
    )
    assert.equal(connectionEnvironment('postgres://weir@[::1]:5432/weir').PGHOST, '::1')
  })

  test('is verified as the URL says, by the system’s authorities where it names none', () => {
    const tlsOf = (query: string) => {
      const { PGSSLMODE, PGSSLROOTCERT } = connectionEnvironment(`postgres://h/d?${query}`)
      return [PGSSLMODE, PGSSLROOTCERT]
    }
    assert.deepEqual(tlsOf('sslmode=verify-full'), ['verify-full', 'system'])
    assert.deepEqual(tlsOf('sslmode=verify-full&sslrootcert=/ca.pem'), ['verify-full', '/ca.pem'])
    assert.deepEqual(tlsOf('sslmode=require'), ['require', undefined])
    assert.deepEqual(tlsOf(''), [undefined, undefined])
  })

  test('of another database of the server', () => {
    assert.equal(
      withDatabase('postgres://u:p@h:1/a?sslmode=disable', 'b c'),
      'postgres://u:p@h:1/b%20c?sslmode=disable',
    )
  })
})

test('after a restore each step is told, the keys that are valid again first of all by their ids', () => {
  const restored = (keys: Restored['valid_keys'], facts = FACTS) =>
    nextSteps({ manifest: { facts }, valid_keys: keys } as Restored)
  const texts = restored([{ id: 'abcd0123', name: 'Branch 7' }]).map(
    ({ command, why }) => `${command}: ${why}`,
  )
  assert.ok(texts.some((text) => text.includes('keys -- list') && text.includes('abcd0123 (Branch 7)')))
  assert.ok(texts.some((text) => text.includes('labels -- rewind')))
  assert.ok(texts.some((text) => text.includes('after row 4')))
  assert.ok(restored([]).some(({ why }) => why.includes('no key of the API is valid')))
  const many = Array.from({ length: 12 }, (_, i) => ({ id: `key${i}`, name: 'n' }))
  assert.ok(restored(many).some(({ why }) => why.includes('and 2 more')))
})

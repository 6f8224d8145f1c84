import assert from 'node:assert/strict'
import { test } from 'node:test'
import pg from 'pg'
import { errorFields, safeMessage, withoutSecrets } from '../../schemas/error-fields.ts'
import { createLogger } from '../../schemas/log.ts'

/** As `pg` makes it of what PostgreSQL sent. */
function databaseError(message: string, fields: Partial<pg.DatabaseError>): pg.DatabaseError {
  return Object.assign(new pg.DatabaseError(message, message.length, 'error'), { severity: 'ERROR' }, fields)
}

test('of a database error the names are told, and neither the row nor its values', () => {
  const error = databaseError('new row violates check constraint "no_casino"', {
    code: '23514',
    detail: 'Failing row contains (CANARY).',
    where: 'COPY transactions, line 1: "CANARY"',
    hint: 'CANARY',
    constraint: 'no_casino',
  })
  const fields = errorFields(error)
  assert.equal(fields.code, '23514')
  assert.equal(fields.constraint, 'no_casino')
  assert.equal(fields.message, 'new row violates check constraint "no_casino"')
  assert.match(fields.stack!, /error-fields\.test\.ts/)
  assert.doesNotMatch(JSON.stringify(fields), /CANARY/)
})

test('what PostgreSQL could not take is left out of the message, the stack and of who repeats it', () => {
  const cause = databaseError('invalid input syntax for type integer: "CAN"ARY\nCANARY"', { code: '22P02' })
  const error = new Error(`PostgreSQL refuses to store: ${cause.message}`, { cause })
  assert.equal(
    safeMessage(error),
    'PostgreSQL refuses to store: invalid input syntax for type integer: (a value)',
  )
  assert.doesNotMatch(JSON.stringify(errorFields(error)), /ARY/)
})

test('a URL that cannot be parsed is not told', () => {
  const invalid = (() => {
    try {
      return new URL('postgres://weir:CANARY@host:port')
    } catch (error) {
      return error
    }
  })()
  assert.match(JSON.stringify(Object.assign({}, invalid)), /CANARY/)
  assert.doesNotMatch(JSON.stringify(errorFields(invalid)), /CANARY/)
})

test('passwords in URLs, keys and numbers of cards are taken out of texts, other numbers are not', () => {
  const cases: [string, string][] = [
    ['at http://user:CANARY@host/x (URL)', 'at http://(hidden)@host/x (URL)'],
    ['postgres://weir:CAN@RY/@host:5432/weir', 'postgres://(hidden)@host:5432/weir'],
    ['at http://host:8081/x', 'at http://host:8081/x'],
    ['key weir_abc_0123456789abcdef_deadbeef is', 'key weir_(hidden) is'],
    ['card 4111 1111 1111 1111, and 4111111111111111', 'card (a card number), and (a card number)'],
    ['offset 4111111111111112, at 1795995600000', 'offset 4111111111111112, at 1795995600000'],
  ]
  for (const [text, expected] of cases) assert.equal(withoutSecrets(text), expected)
})

test('what is thrown and no error, and errors without a message, are told too', () => {
  assert.equal(errorFields('http://u:CANARY@h').message, 'http://(hidden)@h')
  const refused = new AggregateError([new Error('connect ECONNREFUSED 127.0.0.1:1')])
  assert.equal(errorFields(refused).message, 'connect ECONNREFUSED 127.0.0.1:1')
  const circular = new Error('a')
  circular.cause = circular
  assert.ok(JSON.stringify(errorFields(circular)))
})

test('a logged error is told by these fields', () => {
  const lines: string[] = []
  const log = createLogger('test', 'info', { write: (line) => void lines.push(line) })
  log.warn({ err: databaseError('no', { code: '23505', detail: 'Key (id)=(CANARY)' }) }, 'it failed')
  assert.equal(JSON.parse(lines[0]).err.code, '23505')
  assert.doesNotMatch(lines[0], /CANARY/)
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createKeyText, hashOf, isWhole } from '../../api/auth/key-text.ts'
import { createKeys } from '../../api/auth/keys.ts'
import { createStoredKeys } from '../../api/auth/stored-keys.ts'
import type { Query } from '../../api/sql/database.ts'
import { createLogger } from '../../schemas/log.ts'

const log = createLogger('test', 'silent')

/** Keys of a table that holds these texts, without a database. */
function keysOf(texts: { id: string; text: string }[], apiKey: string | undefined) {
  const rows = texts.map(({ id, text }) => ({
    id,
    name: 'test',
    scopes: ['read'],
    expires_at: null,
    secret_hash: hashOf(text),
  }))
  const query = (async (sql: string) =>
    sql.includes('api_secrets') ? [{ secret: Buffer.alloc(32, 1) }] : rows) as Query
  return createKeys(apiKey, createStoredKeys(query, log, Date.now))
}

const ROUNDS = 5000

test('a malformed key, an unknown id, a wrong secret and the right key take about the same time', async (t) => {
  const right = createKeyText()
  const keys = keysOf([right, ...Array.from({ length: 50 }, createKeyText)], 'sixteen-or-more-characters')
  const presented = {
    'the right key': right.text,
    'a wrong secret': right.text.replace(/_[0-9a-z]{40}_/, `_${'0'.repeat(40)}_`),
    'a wrong checksum': right.text.replace(/.{8}$/, '00000000'),
    'an unknown id': createKeyText().text,
    malformed: `weer_${right.text.slice(5)}`,
  }
  const times = Object.fromEntries(Object.keys(presented).map((what) => [what, new Float64Array(ROUNDS)]))
  // In turn, so that what else the machine does falls upon all of them.
  for (let round = 0; round < ROUNDS; round++) {
    for (const [what, text] of Object.entries(presented)) {
      const began = process.hrtime.bigint()
      const key = await keys.recognise(text)
      times[what][round] = Number(process.hrtime.bigint() - began)
      assert.equal(key !== undefined, what === 'the right key')
    }
  }
  const medians: number[] = []
  for (const [what, all] of Object.entries(times)) {
    const sorted = all.slice(ROUNDS / 10).sort()
    const at = (share: number) => sorted[Math.floor(sorted.length * share)] / 1000
    medians.push(at(0.5))
    t.diagnostic(
      `${what.padEnd(16)}  p10 ${at(0.1).toFixed(1)}  median ${at(0.5).toFixed(1)}  p90 ${at(0.9).toFixed(1)}  p99 ${at(0.99).toFixed(1)} µs`,
    )
  }
  // Loose: a query, or a slow hash, for some of them only would be tens of times.
  assert.ok(Math.max(...medians) < 5 * Math.min(...medians), String(medians))
})

test('a key has a checksum, and no two are alike', () => {
  const texts = Array.from({ length: 1000 }, () => createKeyText())
  assert.equal(new Set(texts.map(({ text }) => text)).size, 1000)
  for (const { id, text } of texts) {
    assert.ok(isWhole(text), text)
    assert.equal(text.split('_')[1], id)
    assert.ok(!isWhole(text.replace(/.$/, (c) => (c === '0' ? '1' : '0'))))
  }
})

test('API_KEY unset is not a key that nobody, or an empty text, has', async () => {
  const keys = keysOf([], undefined)
  for (const text of ['', 'undefined', 'environment', '\0'.repeat(32)])
    assert.equal(await keys.recognise(text), undefined)
  assert.equal(await keys.find('environment'), undefined)
})

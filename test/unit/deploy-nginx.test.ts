import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { createHttpServer } from '../../api/server.ts'
import { HEARTBEAT_MS } from '../../api/stream/feed.ts'

/** Times of nginx that must fit the API's; what it does is in test/deploy. */

const files = ['site', 'weir'].map((name) => readFileSync(`deploy/nginx/${name}.conf`, 'utf8')).join('\n')
/** Milliseconds of a directive. @param indent of an upstream's or a server's */
function milliseconds(directive: string, indent = ''): number {
  const found = new RegExp(`^${indent}${directive} (\\d+)s;$`, 'm').exec(files)
  assert.ok(found, `no ${directive}`)
  return Number(found[1]) * 1000
}

test('nginx closes an idle connection to the API first: it never sends a call on one that the API has closed', (t) => {
  const server = createHttpServer(() => new Response())
  t.after(() => server.close())
  assert.ok(milliseconds('keepalive_timeout', ' {2}') <= server.keepAliveTimeout - 2000)
})

test('a stream in which nothing happens outlasts nginx’ patience', () => {
  assert.ok(milliseconds('proxy_read_timeout') >= 3 * HEARTBEAT_MS)
  assert.ok(milliseconds('send_timeout') >= 2 * HEARTBEAT_MS, 'two sends that are that far apart')
})

test('who waits for nothing is not kept waiting', () => {
  assert.ok(milliseconds('proxy_connect_timeout') <= 5000)
  assert.ok(milliseconds('proxy_send_timeout') <= 30_000)
  assert.ok(milliseconds('keepalive_timeout') <= 75_000)
})

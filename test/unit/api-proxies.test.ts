import assert from 'node:assert/strict'
import { test } from 'node:test'
import { forwardedAddress, isForwardedHttps } from '../../api/auth/forwarded.ts'
import { json, KEY, testApp } from './api-app.ts'

const PEER = '10.0.0.1'
const addresses: [string, number, string | undefined, string][] = [
  ['no proxies: what the header says is a claim', 0, '203.0.113.7', PEER],
  ['no header', 1, undefined, PEER],
  ['an empty header', 1, '', PEER],
  ['one proxy', 1, '203.0.113.7', '203.0.113.7'],
  ['forged entries to the left of it', 1, '1.1.1.1, 2.2.2.2,203.0.113.7', '203.0.113.7'],
  ['two proxies', 2, '1.1.1.1, 203.0.113.7, 10.0.0.2', '203.0.113.7'],
  ['fewer entries than proxies', 3, '203.0.113.7, 10.0.0.2', '203.0.113.7'],
  ['white space and empty entries', 1, ' , ,\t203.0.113.7 ', '203.0.113.7'],
  ['a port', 1, '203.0.113.7:443', '203.0.113.7'],
  ['IPv6 in brackets with a port', 1, '[2001:db8::1]:443', '2001:db8::1'],
  ['IPv6 in brackets', 1, '[2001:DB8:0:0:0:0:0:1]', '2001:db8::1'],
  ['IPv6 with a zone', 1, 'fe80::1%eth0', 'fe80::1'],
  ['IPv4 written as IPv6', 1, '::ffff:203.0.113.7', '203.0.113.7'],
  ['IPv4 written as IPv6 in hexadecimal', 1, '::ffff:cb00:7107', '203.0.113.7'],
  ['a word where the address should be', 1, '1.1.1.1, unknown', PEER],
  ['an address that is none', 1, '999.1.1.1', PEER],
  ['a word before our inner proxy', 2, '1.1.1.1, _hidden, 10.0.0.2', '10.0.0.2'],
  ['a word where our inner proxy should be', 2, '203.0.113.7, unknown', PEER],
  ['an empty last entry', 1, '203.0.113.7,', PEER],
]
for (const [what, proxies, header, expected] of addresses) {
  test(`the client's address behind ${proxies} proxies, ${what}`, () => {
    assert.equal(forwardedAddress(PEER, header, proxies), expected)
  })
}

test('a connection without an address is unknown, and a peer is told in its shortest form', () => {
  assert.equal(forwardedAddress('', undefined, 0), 'unknown')
  assert.equal(forwardedAddress('::ffff:10.0.0.1', undefined, 0), '10.0.0.1')
})

const protocols: [number, string | undefined, boolean][] = [
  [0, 'https', false],
  [1, undefined, false],
  [1, 'https', true],
  [1, 'HTTPS ', true],
  [1, 'http', false],
  [1, 'https, http', false],
  [2, 'https, http', true],
  [2, 'https, http, http', false],
  [2, 'https', true],
  [1, 'https2', false],
]
for (const [proxies, header, expected] of protocols) {
  test(`X-Forwarded-Proto ${header} behind ${proxies} proxies is ${expected ? 'https' : 'http'}`, () => {
    assert.equal(isForwardedHttps(header, proxies), expected)
  })
}

test('limits are counted by the address that our proxy saw, whatever stands to the left', async () => {
  const { bare } = testApp({ env: { TRUSTED_PROXIES: '1', RATE_LIMIT_HEALTH: '2' } })
  const from = async (header: string) =>
    (await bare('GET', '/health', { 'X-Forwarded-For': header }, undefined, PEER)).status
  assert.deepEqual(
    [await from('1.1.1.1, 203.0.113.7'), await from('2.2.2.2, 203.0.113.7'), await from('203.0.113.7')],
    [200, 200, 429],
  )
  assert.equal(await from('203.0.113.8'), 200)
})

test('without proxies the header neither helps nor harms', async () => {
  const { bare } = testApp({ env: { RATE_LIMIT_HEALTH: '2' } })
  const from = async (header: string) =>
    (await bare('GET', '/health', { 'X-Forwarded-For': header }, undefined, PEER)).status
  assert.deepEqual([await from('1.1.1.1'), await from('2.2.2.2'), await from('3.3.3.3')], [200, 200, 429])
})

test('X-Forwarded-Proto of a stranger makes no session cookie in production', async () => {
  const { bare } = testApp({ env: { NODE_ENV: 'production' } })
  const headers = { 'Content-Type': 'application/x-www-form-urlencoded', 'X-Forwarded-Proto': 'https' }
  const answer = await bare('POST', 'http://weir.example/login', headers, new URLSearchParams({ key: KEY }))
  assert.equal(answer.status, 403)
  assert.equal(answer.headers.get('set-cookie'), null)
})

test('TRUSTED_PROXIES is a small number', () => {
  for (const TRUSTED_PROXIES of ['-1', '11', '1.5', 'yes'])
    assert.throws(() => testApp({ env: { TRUSTED_PROXIES } }), /TRUSTED_PROXIES/)
})

test('the log of a wrong key names the address of the client, not of the proxy', async () => {
  const { bare, lines } = testApp({ env: { TRUSTED_PROXIES: '1' } })
  const headers = { 'X-API-Key': 'wrong', 'X-Forwarded-For': '203.0.113.7' }
  await json(bare('GET', '/metrics', headers, undefined, PEER))
  assert.ok(lines.some((line) => JSON.parse(line).address === '203.0.113.7'))
})

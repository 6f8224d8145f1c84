import assert from 'node:assert/strict'
import { test } from 'node:test'
import { json, testApp } from './api-app.ts'

test('every answer has the security headers, errors and pages too', async () => {
  const { bare } = testApp()
  for (const path of ['/', '/health', '/nothing', '/api/v1/anomalies', '/assets/weir.css']) {
    const { headers } = await bare('GET', `http://localhost${path}`)
    const policy = headers.get('content-security-policy') ?? ''
    assert.match(policy, /default-src 'self'/, path)
    assert.match(policy, /frame-ancestors 'none'/, path)
    assert.doesNotMatch(policy, /unsafe/)
    assert.equal(headers.get('x-content-type-options'), 'nosniff')
    assert.equal(headers.get('referrer-policy'), 'no-referrer')
    assert.equal(headers.get('strict-transport-security'), 'max-age=31536000')
    assert.equal(headers.get('x-frame-options'), 'DENY')
    assert.equal(headers.get('cross-origin-opener-policy'), 'same-origin')
    assert.equal(headers.get('cross-origin-resource-policy'), 'same-origin')
    const kept = path.startsWith('/assets') ? 'public, max-age=31536000, immutable' : 'no-store'
    assert.equal(headers.get('cache-control'), kept)
  }
})

test('the pages have no inline script, style or handler', async () => {
  const page = await (await testApp().bare('GET', 'http://localhost/')).text()
  assert.doesNotMatch(page, /<script(?![^>]* src=)|<style|\sstyle=|\son[a-z]+=/)
})

test('a sane request id is kept and told, any other is replaced', async () => {
  const { bare, lines } = testApp()
  const kept = await bare('GET', '/nothing', { 'X-Request-Id': 'abc-123' })
  assert.equal(kept.headers.get('x-request-id'), 'abc-123')
  assert.equal((await json(kept)).request_id, 'abc-123')
  assert.ok(lines.some((line) => JSON.parse(line).request_id === 'abc-123'))
  const looksSecret = ['weir_abc_0123456789abcdef_12345678', '4111111111111111', '4111-1111-1111-1111']
  for (const bad of ['a b', 'x'.repeat(200), '"}{"', ...looksSecret]) {
    const answer = await bare('GET', '/health', { 'X-Request-Id': bad })
    assert.match(answer.headers.get('x-request-id')!, /^[\da-f-]{36}$/)
  }
})

test('browsers of other origins are kept out unless FRONTEND_ORIGIN lists them', async () => {
  const allowed = (FRONTEND_ORIGIN: string | undefined, Origin: string) =>
    testApp({ env: { FRONTEND_ORIGIN } }).bare('OPTIONS', '/api/v1/anomalies', {
      Origin,
      'Access-Control-Request-Method': 'PUT',
    })
  const origin = async (answer: Response | Promise<Response>) =>
    (await answer).headers.get('access-control-allow-origin')
  const list = 'https://a.example/, https://b.example'

  assert.equal(await origin(allowed(undefined, 'https://a.example')), null)
  assert.equal(await origin(allowed(list, 'https://a.example')), 'https://a.example')
  assert.equal(await origin(allowed(list, 'https://b.example')), 'https://b.example')
  assert.equal(await origin(allowed(list, 'https://c.example')), null)
  const any = await allowed('*', 'https://c.example')
  assert.equal(any.status, 204)
  assert.equal(await origin(any), '*')
  assert.equal(any.headers.get('access-control-allow-methods'), 'GET,HEAD,POST,PUT')
  assert.match(
    any.headers.get('access-control-allow-headers')!,
    /X-API-Key,Authorization,If-Match,Last-Event-ID/,
  )
  for (const answer of [any, await allowed(list, 'https://a.example')])
    assert.equal(answer.headers.get('access-control-allow-credentials'), null)
})

test('FRONTEND_ORIGIN that is no list of origins, or * in production, is an error that names it', () => {
  const start = (FRONTEND_ORIGIN: string, NODE_ENV = 'test') =>
    testApp({ env: { FRONTEND_ORIGIN, NODE_ENV } })
  assert.throws(() => start('fraud.example.com'), /FRONTEND_ORIGIN: got "fraud\.example\.com"/)
  assert.throws(() => start('https://a.example/path'), /FRONTEND_ORIGIN/)
  assert.throws(() => start('*', 'production'), /FRONTEND_ORIGIN: got "\*", which production refuses/)
})

test('a wrong method gets 405 and the methods that are allowed', async () => {
  const { call } = testApp()
  const answer = await call('DELETE', '/api/v1/anomalies/X')
  assert.equal(answer.status, 405)
  assert.equal(answer.headers.get('allow'), 'GET, HEAD, PUT')
  assert.equal((await json(answer)).title, 'Method Not Allowed')
  assert.equal((await call('POST', '/health')).status, 405)
})

test('liveness does not ask the database, and readiness says within two seconds that it is down', async () => {
  const { bare } = testApp()
  assert.equal((await json(bare('GET', '/health'))).status, 'healthy')
  assert.deepEqual(await json(bare('GET', '/health/live')), { status: 'alive' })
  const started = performance.now()
  const ready = await bare('GET', '/health/ready')
  assert.ok(performance.now() - started < 2000)
  assert.equal(ready.status, 503)
  assert.deepEqual(await json(ready), { status: 'not ready', checks: { database: 'unavailable' } })
})

test('an unforeseen error is logged with its stack and told without it', async () => {
  const { app, call, lines } = testApp()
  app.get('/broken', () => {
    throw new Error('SELECT secret FROM somewhere')
  })
  const answer = await call('GET', '/broken')
  assert.equal(answer.status, 500)
  assert.doesNotMatch(await answer.text(), /SELECT|secret|at /)
  assert.ok(lines.some((line) => line.includes('SELECT secret') && line.includes('stack')))
})

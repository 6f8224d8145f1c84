import assert from 'node:assert/strict'
import { test } from 'node:test'
import { json, testApp } from './api-app.ts'

// biome-ignore lint/suspicious/noExplicitAny: a document is looked into by names
type Any = any

const load = async () => {
  const { call, app } = testApp()
  const document = await json(call('GET', 'http://localhost/api/openapi.json'))
  const operations = Object.entries<Any>(document.paths).flatMap(([path, methods]) =>
    Object.entries<Any>(methods).map(([method, operation]) => ({ path, method, operation })),
  )
  return { document, operations, app }
}

test('the document tells every call of the API, and no other', async () => {
  const { document, operations, app } = await load()
  assert.equal(document.openapi, '3.1.0')
  const served = app.routes
    .filter(({ method, path }) => method !== 'ALL' && /^\/(api|health|metrics)/.test(path))
    .filter(({ path }) => !path.startsWith('/api/docs/')) // the page's own files
    .map(({ method, path }) => `${method} ${path.replaceAll(/:(\w+)/g, '{$1}').replace(/(.)\/$/, '$1')}`)
  const described = operations.map(({ method, path }) => `${method.toUpperCase()} ${path}`)
  assert.deepEqual([...new Set(served)].sort(), described.sort())
})

test('every call has a name, a summary, a tag and its failures; all but health need a key or session', async () => {
  const { document, operations } = await load()
  const tags = document.tags.map(({ name }: Any) => name)
  const names = operations.map(({ operation }) => operation.operationId)
  assert.equal(new Set(names).size, names.length)
  for (const { path, method, operation } of operations) {
    assert.ok(operation.summary && operation.description, path)
    assert.ok(tags.includes(operation.tags[0]), path)
    const isOpen = path.startsWith('/health')
    const scope = path === '/metrics' ? 'metrics' : method === 'get' ? 'read' : 'triage'
    assert.deepEqual(operation.security, isOpen ? [] : undefined, path)
    assert.equal(operation.description.endsWith(`Needs the scope \`${scope}\`.`), !isOpen, path)
    for (const status of isOpen ? [429, 500] : [401, 403, 429, 500, 503])
      assert.ok(operation.responses[status], path)
    if (operation.requestBody)
      for (const status of [400, 413, 415, 422]) assert.ok(operation.responses[status])
    if (operation.parameters) assert.ok(operation.responses[422])
  }
  assert.deepEqual(document.security, [{ apiKey: [] }, { bearer: [] }, { session: [] }])
})

test('every answer has a form and an example, and errors are problems', async () => {
  const { document, operations } = await load()
  const resolve = (value: Any): Any =>
    value.$ref
      ? value.$ref
          .slice(2)
          .split('/')
          .reduce((at: Any, key: string) => at[key], document)
      : value
  for (const { path, operation } of operations) {
    for (const [status, reference] of Object.entries<Any>(operation.responses)) {
      const response = resolve(reference)
      for (const [type, media] of Object.entries<Any>(response.content)) {
        const schema = resolve(media.schema)
        assert.ok(schema, `${path} ${status}`)
        assert.ok(media.example ?? schema.example, `${path} ${status} ${type} has an example`)
        if (status >= '4' && !path.startsWith('/health')) assert.equal(type, 'application/problem+json')
      }
      for (const header of Object.values<Any>(response.headers ?? {})) assert.ok(resolve(header).schema)
    }
  }
})

test('every text, list and number of the document has its bounds', async () => {
  const { document } = await load()
  const look = (value: Any, where: string): void => {
    if (typeof value !== 'object' || value === null) return
    const types = [value.type].flat()
    const isFree = value.enum !== undefined || value.const !== undefined
    if (types.includes('string') && !isFree) {
      assert.ok(value.maxLength !== undefined, `${where} has no maxLength`)
      assert.ok(value.pattern ?? value.format, `${where} has neither pattern nor format`)
    }
    if (types.includes('array')) assert.ok(value.maxItems !== undefined, `${where} has no maxItems`)
    if (types.includes('integer')) {
      assert.ok(value.format && value.minimum !== undefined && value.maximum !== undefined, where)
    }
    for (const [key, inner] of Object.entries(value)) if (key !== 'example') look(inner, `${where}/${key}`)
  }
  look(document.components, '#/components')
  look(document.paths, '#/paths')
})

test('the document and its page need a key or session', async () => {
  const { bare } = testApp()
  for (const path of ['openapi.json', 'docs', 'docs/start.js', 'docs/swagger-ui-bundle.js'])
    assert.equal((await bare('GET', `/api/${path}`)).status, 401, path)
})

test('the page is served from here alone and has no inline script or style', async () => {
  const { call } = testApp()
  const answer = await call('GET', '/api/docs')
  const page = await answer.text()
  assert.doesNotMatch(page, /https?:|<script(?![^>]* src=)|<style|\sstyle=|\son[a-z]+=/)
  const policy = answer.headers.get('content-security-policy')!
  assert.match(policy, /default-src 'self'; img-src 'self' data:/)
  assert.doesNotMatch(policy, /unsafe|https?:/)
  for (const [, path] of page.matchAll(/(?:href|src)="([^"]+)"/g)) {
    const file = await call('GET', path)
    assert.equal(file.status, 200, path)
    assert.match(file.headers.get('content-type')!, /css|javascript|svg/)
  }
})

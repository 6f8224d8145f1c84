import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import type { Name } from '../../schemas/settings.ts'
import type { Scope } from '../harness.ts'
import type { Authority } from './certificates.ts'

const REGISTRY_USER = 'weir-registry'
const REGISTRY_PASSWORD = 'a password: with a colon & a %'

/**
 * The registry behind https with a user and a password, as a proxy before it does it. Its certificate is for 127.0.0.1.
 * @param registry what stands behind
 * @returns the settings to reach it
 */
export async function startSecureRegistry(
  t: Scope,
  authority: Authority,
  registry: string,
): Promise<Partial<Record<Name, string>> & { SCHEMA_REGISTRY_URL: string }> {
  const { cert, key } = authority.issue('registry', 'IP:127.0.0.1')
  const files = { cert: readFileSync(cert), key: readFileSync(key) }
  const server = createServer(files, (request, response) => void answer(registry, request, response))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return {
    SCHEMA_REGISTRY_URL: `https://127.0.0.1:${(server.address() as AddressInfo).port}`,
    SCHEMA_REGISTRY_USERNAME: REGISTRY_USER,
    SCHEMA_REGISTRY_PASSWORD: REGISTRY_PASSWORD,
    SCHEMA_REGISTRY_CA_FILE: authority.ca,
  }
}

const EXPECTED = `Basic ${Buffer.from(`${REGISTRY_USER}:${REGISTRY_PASSWORD}`).toString('base64')}`

async function answer(registry: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const type = 'application/vnd.schemaregistry.v1+json'
  if (request.headers.authorization !== EXPECTED) {
    response.writeHead(401, { 'content-type': type, 'www-authenticate': 'Basic' })
    response.end(JSON.stringify({ error_code: 401, message: 'Unauthorized' }))
    return
  }
  const { method } = request
  const body = method === 'GET' ? undefined : await text(request)
  const given = await fetch(registry + request.url, { method, body, headers: { 'content-type': type } })
  response.writeHead(given.status, { 'content-type': type }).end(await given.text())
}

import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi'
import { html } from 'hono/html'
import type { Env } from '../context.ts'
import { openApiDocument, registerComponents } from '../openapi/document.ts'
import { failures, LIMIT_HEADERS, REFUSED } from '../openapi/failures.ts'
import { describeStream } from '../openapi/stream.ts'

/** The API about itself: the OpenAPI document, and Swagger UI to read it. Nothing comes from another server. */

/** They need the keys of the table, and no other of it. */
const ANSWERS = { ...failures(401, 403, 429, 500, 503), ...REFUSED }

const documentRoute = createRoute({
  method: 'get',
  path: '/api/openapi.json',
  operationId: 'getOpenApi',
  tags: ['documents'],
  summary: 'This document',
  description: 'OpenAPI 3.1.',
  responses: {
    200: {
      description: 'The document.',
      headers: LIMIT_HEADERS,
      content: {
        'application/json': {
          schema: z.looseObject({ openapi: z.string().max(10).openapi({ pattern: '^3\\.1\\.' }) }),
          example: { openapi: '3.1.0', info: { title: 'Weir', version: '1' }, paths: {} },
        },
      },
    },
    ...ANSWERS,
  },
})

const pageRoute = createRoute({
  method: 'get',
  path: '/api/docs',
  operationId: 'getDocs',
  tags: ['documents'],
  summary: 'A page to read it',
  description: 'Swagger UI. Calls from the page carry the session of the browser.',
  responses: {
    200: {
      description: 'The page.',
      headers: LIMIT_HEADERS,
      content: {
        'text/html': {
          schema: z
            .string()
            .max(100_000)
            .openapi({ pattern: '^<!doctype html>', example: '<!doctype html>' }),
        },
      },
    },
    ...ANSWERS,
  },
})

const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>API · Weir</title>
<link rel="stylesheet" href="/api/docs/swagger-ui.css">
<link rel="icon" href="/assets/weir.svg" type="image/svg+xml">
</head>
<body>
<div id="swagger-ui"></div>
<script src="/api/docs/swagger-ui-bundle.js" defer></script>
<script src="/api/docs/start.js" defer></script>
</body>
</html>`

const start = `SwaggerUIBundle({ url: '/api/openapi.json', dom_id: '#swagger-ui', deepLinking: true, validatorUrl: null })\n`

const require = createRequire(import.meta.url)
const fromPackage = (name: string) => readFileSync(require.resolve(`swagger-ui-dist/${name}`), 'utf8')

const ASSETS: Record<string, { type: string; content: () => string }> = {
  'swagger-ui.css': { type: 'text/css', content: () => fromPackage('swagger-ui.css') },
  'swagger-ui-bundle.js': { type: 'text/javascript', content: () => fromPackage('swagger-ui-bundle.js') },
  'start.js': { type: 'text/javascript', content: () => start },
}

/** Added last: what the app has then is what the document tells. */
export function addDocuments(app: OpenAPIHono<Env>): void {
  registerComponents(app)
  describeStream(app as never)
  let document: ReturnType<typeof openApiDocument> | undefined
  app.openapi(documentRoute, (c) => {
    document ??= openApiDocument(app)
    return c.json(document, 200)
  })
  app.openapi(pageRoute, (c) => {
    // Icons of the page are images within its style sheet; all else is as everywhere.
    c.header('Content-Security-Policy', PAGE_POLICY)
    return c.html(page, 200)
  })
  for (const [name, { type, content }] of Object.entries(ASSETS)) {
    app.get(`/api/docs/${name}`, (c) =>
      c.body(content(), 200, {
        'Content-Type': `${type}; charset=utf-8`,
        'Cache-Control': 'private, max-age=3600',
      }),
    )
  }
}

const PAGE_POLICY =
  "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { Hono } from 'hono'
import type { Env } from '../context.ts'

const TYPES = {
  'weir.css': 'text/css; charset=utf-8',
  'queue.js': 'text/javascript; charset=utf-8',
  'weir.svg': 'image/svg+xml',
} as const
type Asset = keyof typeof TYPES

const assets = new Map(
  (Object.keys(TYPES) as Asset[]).map((name) => {
    const content = readFileSync(new URL(`./assets/${name}`, import.meta.url), 'utf8')
    const version = createHash('sha256').update(content).digest('hex').slice(0, 12)
    return [name, { content, version }]
  }),
)

/** The address of an asset; it changes with the content, so that browsers may keep it for good. */
export const assetPath = (name: Asset): string => `/assets/${name}?v=${assets.get(name)!.version}`

export function assetRoutes(): Hono<Env> {
  const routes = new Hono<Env>()
  for (const [name, { content }] of assets) {
    routes.get(`/assets/${name}`, (c) =>
      c.body(content, 200, {
        'Content-Type': TYPES[name],
        'Cache-Control': 'public, max-age=31536000, immutable',
      }),
    )
  }
  return routes
}

import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { Hono } from 'hono'
import type { Env } from '../context.ts'

/** What is served, as which type, and the files that it is put together from. */
const ASSETS = {
  'weir.css': {
    type: 'text/css; charset=utf-8',
    files: [
      'base.css',
      'frame.css',
      'controls.css',
      'marks.css',
      'tables.css',
      'detail.css',
      'narrow.css',
      'phone.css',
    ],
  },
  'queue.js': { type: 'text/javascript; charset=utf-8', files: ['queue.js'] },
  'weir.svg': { type: 'image/svg+xml', files: ['weir.svg'] },
}
type Asset = keyof typeof ASSETS

const assets = new Map(
  (Object.keys(ASSETS) as Asset[]).map((name) => {
    const content = ASSETS[name].files.map(read).join('\n')
    const version = createHash('sha256').update(content).digest('hex').slice(0, 12)
    return [name, { content, version }]
  }),
)

function read(file: string): string {
  return readFileSync(new URL(`./assets/${file}`, import.meta.url), 'utf8')
}

/** The address of an asset; it changes with the content, so that browsers may keep it for good. */
export const assetPath = (name: Asset): string => `/assets/${name}?v=${assets.get(name)!.version}`

export function assetRoutes(): Hono<Env> {
  const routes = new Hono<Env>()
  for (const [name, { content }] of assets) {
    routes.get(`/assets/${name}`, (c) =>
      c.body(content, 200, {
        'Content-Type': ASSETS[name].type,
        'Cache-Control': 'public, max-age=31536000, immutable',
      }),
    )
  }
  return routes
}

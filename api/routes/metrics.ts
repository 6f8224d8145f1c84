import { Hono } from 'hono'
import type { Registry } from 'prom-client'
import type { Guard } from '../auth/guard.ts'
import type { Env } from '../context.ts'

export function metricsRoutes(registry: Registry, guard: Guard): Hono<Env> {
  return new Hono<Env>().get('/metrics', guard.unlimited, async (c) =>
    c.body(await registry.metrics(), 200, { 'Content-Type': registry.contentType }),
  )
}

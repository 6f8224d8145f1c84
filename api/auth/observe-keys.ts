import { Gauge, type Registry } from 'prom-client'
import type { StoredKeys } from './stored-keys.ts'

/** When keys expire, so that somebody is told before; ids are no secret, names stay out. */
export function observeKeys(registry: Registry, stored: StoredKeys): void {
  new Gauge({
    name: 'weir_api_key_expiry_timestamp_seconds',
    help: 'When a valid API key of the table expires, in seconds since 1970, by its id.',
    labelNames: ['key'],
    registers: [registry],
    collect() {
      this.reset()
      for (const { id, expires_at } of stored.lastKnown())
        if (expires_at) this.set({ key: id }, expires_at.getTime() / 1000)
    },
  })
}

import { readFileSync } from 'node:fs'
import { shape } from './settings.ts'

/** `.env.example` and the settings' schema must name the same settings, and show the same defaults. */

const text = readFileSync(new URL('../.env.example', import.meta.url), 'utf8')
const listed = new Map([...text.matchAll(/^(?:# )?([A-Z][A-Z0-9_]*)=(.*)$/gm)].map((m) => [m[1], m[2]]))
const faults: string[] = []

for (const [name, schema] of Object.entries(shape)) {
  const example = listed.get(name)
  if (example === undefined) {
    faults.push(`${name} is missing in .env.example`)
    continue
  }
  const byDefault = schema.safeParse(undefined).data
  if (byDefault !== undefined && String(byDefault) !== example) {
    faults.push(`${name}: .env.example shows ${example}, the default is ${byDefault}`)
  }
}
for (const name of listed.keys()) {
  if (!(name in shape)) faults.push(`${name} stands in .env.example and is no setting`)
}

if (faults.length > 0) {
  console.error(faults.join('\n'))
  process.exitCode = 1
}

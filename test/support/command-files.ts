import { readFileSync } from 'node:fs'

/** Commands of deploy/weir.ts, each with the file that has it. */
export function commandFiles(): Map<string, URL> {
  const file = new URL('../../deploy/weir.ts', import.meta.url)
  const found = readFileSync(file, 'utf8').matchAll(/^ {2}'?([\w-]+)'?: \(\) => import\('(.+)'\)/gm)
  return new Map([...found].map(([, name, path]) => [name, new URL(path, file)]))
}

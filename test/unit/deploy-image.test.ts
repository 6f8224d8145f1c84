import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'

/** What no linter of Dockerfiles asks for, of the images that are made of it: the last stage, and `backup`. */

const lines = readFileSync('deploy/docker/Dockerfile', 'utf8')
  .replaceAll(/\\\n/g, ' ')
  .split('\n')
  .map((line) => line.trim())

/** Lines of each stage, by its name. */
const stages = new Map<string, string[]>()
for (const line of lines) {
  const [, name] = /^FROM \S+ AS (\S+)$/.exec(line) ?? []
  if (name !== undefined) stages.set(name, [])
  else if (line !== '' && !line.startsWith('#')) [...stages.values()].at(-1)?.push(line)
}
const of = (stage: string, instruction: string): string[] =>
  stages.get(stage)!.flatMap((line) => (line.startsWith(`${instruction} `) ? [line] : []))

test('the stage that is built when none is named is Weir', () => {
  assert.deepEqual([...stages.keys()], ['build', 'packages', 'backup', 'weir'])
})

test('images run as a user with a number, whom a cluster can tell from root', () => {
  // A stage inherits nobody from the one before it.
  for (const stage of ['weir', 'backup']) assert.deepEqual(of(stage, 'USER'), ['USER 10001:10001'], stage)
})

test('Weir is asked whether it is alive; a backup ends by itself', () => {
  const [check] = of('weir', 'HEALTHCHECK')
  assert.match(check, /CMD \["node", "\/app\/dist\/deploy\/weir\.js", "health"\]$/)
  assert.deepEqual(of('backup', 'HEALTHCHECK'), ['HEALTHCHECK NONE'])
})

test('what comes in is named: nothing is fetched past the lock file, and no whole folder is copied', () => {
  const all = [...stages.values()].flat()
  assert.deepEqual(
    all.filter((line) => /^ADD\b|\b(curl|wget)\b/.test(line)),
    [],
  )
  for (const line of all.filter((each) => each.startsWith('COPY ')))
    assert.doesNotMatch(line, / \.\/? |COPY \.\/? /, line)
  const installs = all.filter((line) => /\bnpm (ci|i|install)\b/.test(line))
  assert.ok(installs.length > 0)
  for (const line of installs) assert.match(line, /npm ci .*--ignore-scripts/)
})

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'

const SCRIPT = 'deploy/compose/keep-backups.sh'

const nameOf = (day: number): string => `weir-202611${String(day).padStart(2, '0')}T020000Z.dump.age`

/** A directory with a backup of each day from the 1st on. */
function directory(t: TestContext, days: number, verified: number[] = []): string {
  const made = mkdtempSync(join(tmpdir(), 'weir-keep-backups-'))
  t.after(() => rmSync(made, { recursive: true }))
  for (let day = 1; day <= days; day++)
    for (const end of ['', '.json', ...(verified.includes(day) ? ['.verified.json'] : [])])
      writeFileSync(join(made, nameOf(day) + end), '')
  return made
}

const script = (args: string[]) => spawnSync(SCRIPT, args, { encoding: 'utf8' })

function keep(directory: string, ...args: string[]) {
  const { status, stderr } = script([...args, directory])
  const files = readdirSync(directory)
  const days = files.filter((name) => name.endsWith('.age')).map((name) => Number(name.slice(11, 13)))
  return { status, stderr, files, days: days.sort((a, b) => a - b) }
}

test('the newest stay, and all files of an older one go', (t) => {
  const at = directory(t, 6, [2, 5])
  const { status, stderr, days, files } = keep(at, '--keep', '3')
  assert.deepEqual([status, days], [0, [4, 5, 6]], stderr)
  assert.equal(files.length, 7)
  // Whatever time passes: as long as no new one comes, none goes.
  assert.deepEqual(keep(at, '--keep', '3').days, [4, 5, 6])
})

test('the newest one that was verified stays, and so does all that is newer', (t) => {
  assert.deepEqual(keep(directory(t, 9, [1, 3]), '--keep', '2').days, [3, 4, 5, 6, 7, 8, 9])
})

test('before one was verified nothing goes, and that is told', (t) => {
  const { status, stderr, days } = keep(directory(t, 4), '--keep', '2')
  assert.deepEqual([status, days], [1, [1, 2, 3, 4]])
  assert.match(stderr, /nothing is deleted: none of the 4 backups .* was verified/)
  assert.equal(keep(directory(t, 2), '--keep', '2').status, 0)
})

test('one that is being made, or has no manifest, is no backup that counts, and nobody else’s file is touched', (t) => {
  const at = directory(t, 3, [3])
  const others = [`${nameOf(8)}.partial`, nameOf(9), 'weir-notes.txt', '.weir']
  for (const name of others) writeFileSync(join(at, name), '')
  const { days, files } = keep(at, '--keep', '1')
  assert.deepEqual(days, [3, 9])
  for (const name of others) assert.ok(files.includes(name), name)
})

test('wrong arguments delete nothing', (t) => {
  const at = directory(t, 3, [3])
  for (const args of [['--keep', '0'], ['--keep', '-1'], ['--keep', ''], ['--all'], ['elsewhere']])
    assert.deepEqual([keep(at, ...args).status, keep(at, ...args).days], [2, [1, 2, 3]], args.join(' '))
  assert.equal(script([]).status, 2)
  assert.equal(script([join(at, 'none')]).status, 1)
})

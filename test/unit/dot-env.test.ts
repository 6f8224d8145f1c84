import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../../', import.meta.url))

test('.env is left out of version control, and .env.example is not', (t) => {
  const ignored = readFileSync(`${root}.gitignore`, 'utf8').split('\n')
  assert.ok(ignored.includes('.env') && !ignored.includes('.env*'))
  let tracked: string[]
  try {
    const git = ['ls-files', '.env', '.env.local', '.env.example']
    tracked = execFileSync('git', git, { cwd: root, encoding: 'utf8', stdio: 'pipe' }).split('\n')
  } catch {
    t.diagnostic('no repository here: what it tracks was not looked at')
    return
  }
  assert.deepEqual(tracked.filter(Boolean), ['.env.example'])
})

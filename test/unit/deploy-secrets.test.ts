import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { createKeyText } from '../../api/auth/key-text.ts'

test('gitleaks looks for keys as they are made, and SECURITY.md tells their form to other scanners', () => {
  const configuration = readFileSync('test/deploy/gitleaks.toml', 'utf8')
  const [, rule] = /^id = "weir-api-key"\n(?:.*\n)*?regex = '''(.*)'''$/m.exec(configuration)!
  for (const line of ["curl -H 'X-API-Key: %'", 'API_KEY=%', '{"key":"%"}', '%'])
    assert.match(line.replace('%', createKeyText().text), new RegExp(rule), line)
  assert.ok(readFileSync('SECURITY.md', 'utf8').includes(`\`${rule.replaceAll('\\b', '')}\``))
})

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { stringify } from 'yaml'
import { loadRules, type Rules } from '../../pipeline/rules/rules.ts'

/** A file of rules for this test alone. */
export function rulesFile(t: TestContext, text: string): string {
  const directory = mkdtempSync(join(tmpdir(), 'weir-rules-'))
  t.after(() => rmSync(directory, { recursive: true }))
  const path = join(directory, 'rules.yaml')
  writeFileSync(path, text)
  return path
}

export interface RuleText {
  code: string
  score: number
  when: string
  message?: string
}

/** Rules as they are loaded from a file. */
export function rulesOf(t: TestContext, ...rules: RuleText[]): Rules {
  const entries = rules.map((rule) => ({ message: 'it hit', ...rule }))
  return loadRules(rulesFile(t, stringify({ rules: entries })))
}

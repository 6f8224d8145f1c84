import assert from 'node:assert/strict'
import { loadSettings, type Name, SettingsError } from '../../schemas/settings.ts'

/** What is wrong with settings; nothing where they can be used. */
export function faultsOf(env: NodeJS.ProcessEnv, needed: Name[] = []): string[] {
  try {
    loadSettings(needed, env)
  } catch (error) {
    assert.ok(error instanceof SettingsError)
    return error.faults
  }
  return []
}

import { homedir } from 'node:os'
import { join } from 'node:path'
import { userCaches } from './settings.ts'

/** Where downloads are kept: the setting WEIR_CACHE_DIR, else the place that the platform has for it. */
export function cacheDirectory(setting: string | undefined): string {
  if (setting) return setting
  if (process.platform === 'darwin') return join(homedir(), 'Library', 'Caches', 'weir')
  return join(userCaches() ?? join(homedir(), '.cache'), 'weir')
}

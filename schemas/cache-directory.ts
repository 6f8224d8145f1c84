import { homedir } from 'node:os'
import { join } from 'node:path'

/** Where downloads are kept: the setting WEIR_CACHE_DIR, else the place that the platform has for it. */
export function cacheDirectory(setting: string | undefined): string {
  if (setting) return setting
  if (process.platform === 'darwin') return join(homedir(), 'Library', 'Caches', 'weir')
  return join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'weir')
}

import type { Host } from '../../bench/machine.ts'

/** A machine for reports that were measured nowhere. */
export const HOST: Host = {
  platform: 'linux x64',
  cores: 2,
  cpu: 'Some CPU',
  memory_gib: 24,
  node: '24.21.0',
  load_before: 0.5,
}

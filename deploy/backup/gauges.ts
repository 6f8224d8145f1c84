import type { Gauge } from '../../schemas/textfile.ts'
import type { Listed } from './list.ts'

/**
 * What Prometheus is told of a directory of backups. Times are those of the content, not of the work: somebody who verifies
 * an old backup every day has an old backup.
 */
export function backupGauges(backups: Listed[]): Gauge[] {
  const complete = backups.filter(({ state }) => state === 'complete')
  return [
    {
      name: 'weir_backup_last_success_timestamp_seconds',
      help: 'Time of the newest complete backup, of which everything committed before is in it; 0 for none.',
      value: newestOf(complete),
    },
    {
      name: 'weir_backup_last_verified_timestamp_seconds',
      help: 'Time of the newest backup that was restored and compared; 0 for none.',
      value: newestOf(complete.filter(({ verified_at }) => verified_at !== null)),
    },
  ]
}

const newestOf = (backups: Listed[]): number =>
  backups.reduce((newest, { taken_at }) => Math.max(newest, Date.parse(taken_at!) / 1000), 0)

import { rename, writeFile } from 'node:fs/promises'
import type { Listed } from './list.ts'

/**
 * What Prometheus is told of a directory of backups, in its text format. Times are those of the content, not of the work:
 * somebody who verifies an old backup every day has an old backup.
 */
export function prometheusText(backups: Listed[]): string {
  const complete = backups.filter(({ state }) => state === 'complete')
  const verified = complete.filter(({ verified_at }) => verified_at !== null)
  const [newest] = complete
  return [
    gauge(
      'weir_backup_last_success_timestamp_seconds',
      'Time of the newest complete backup, of which everything committed before is in it; 0 for none.',
      newestOf(complete),
    ),
    gauge(
      'weir_backup_last_verified_timestamp_seconds',
      'Time of the newest backup that was restored and compared; 0 for none.',
      newestOf(verified),
    ),
    gauge('weir_backup_size_bytes', 'Size of the newest complete backup; 0 for none.', newest?.size ?? 0),
    gauge('weir_backups', 'Complete backups in the directory.', complete.length),
  ].join('')
}

const newestOf = (backups: Listed[]): number =>
  backups.reduce((newest, { taken_at }) => Math.max(newest, Date.parse(taken_at!) / 1000), 0)

const gauge = (name: string, help: string, value: number): string =>
  `# HELP ${name} ${help}\n# TYPE ${name} gauge\n${name} ${value}\n`

/** Writes it for node_exporter's textfile collector, which must never see half of it and runs as another user. */
export async function writePrometheus(file: string, backups: Listed[]): Promise<void> {
  const unfinished = `${file}.partial`
  await writeFile(unfinished, prometheusText(backups), { mode: 0o644 })
  await rename(unfinished, file)
}

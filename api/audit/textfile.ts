import { renameSync, writeFileSync } from 'node:fs'
import type { Verdict } from './verify.ts'

/**
 * Writes what a verification found in Prometheus' text format, for node_exporter's textfile collector: the file is there
 * whole or as it was. The names are those of the API's own metrics.
 * @param at when it was verified, milliseconds since 1970
 * @throws when the file cannot be written, naming it
 */
export function writeTextfile(path: string, { rows, findings }: Verdict, at: number): void {
  const text = [
    '# HELP weir_audit_rows Rows of the audit.',
    '# TYPE weir_audit_rows gauge',
    `weir_audit_rows ${rows}`,
    '# HELP weir_audit_findings What was wrong with the audit’s chain when it was last followed; 0 if it was whole.',
    '# TYPE weir_audit_findings gauge',
    `weir_audit_findings ${findings.length}`,
    '# HELP weir_audit_verified_timestamp_seconds When the audit’s chain was last followed.',
    '# TYPE weir_audit_verified_timestamp_seconds gauge',
    `weir_audit_verified_timestamp_seconds ${at / 1000}`,
    '',
  ].join('\n')
  // The collector reads *.prom only.
  const unfinished = `${path}.${process.pid}.partial`
  writeFileSync(unfinished, text, { mode: 0o644 })
  renameSync(unfinished, path)
}

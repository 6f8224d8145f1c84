import type { Gauge } from '../../schemas/textfile.ts'
import type { Verdict } from './verify.ts'

/**
 * What a verification found, by the names of the API's own metrics.
 * @param at when it was verified, milliseconds since 1970
 */
export const auditGauges = ({ rows, findings }: Verdict, at: number): Gauge[] => [
  { name: 'weir_audit_rows', help: 'Rows of the audit.', value: rows },
  {
    name: 'weir_audit_findings',
    help: 'What was wrong with the audit’s chain when it was last followed; 0 if it was whole.',
    value: findings.length,
  },
  {
    name: 'weir_audit_verified_timestamp_seconds',
    help: 'When the audit’s chain was last followed.',
    value: at / 1000,
  },
]

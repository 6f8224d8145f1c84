import { userInfo } from 'node:os'

/** What the audit tells beside changes of a status, which have columns of their own. */
export type AuditAction =
  | 'key.create'
  | 'key.rotate'
  | 'key.revoke'
  | 'model.activate'
  | 'model.rollback'
  | 'database.restore'

/** Runs one statement; `pg`'s clients and the API's queries both do. */
type Run = (text: string, values: unknown[]) => Promise<unknown>

/**
 * Adds to the audit. Call it last in the transaction of what it tells: until that ends nobody else can add.
 * @param details what was done to what; no secret
 */
export async function appendAudit(
  run: Run,
  action: AuditAction,
  actor: string,
  details: Record<string, unknown>,
): Promise<void> {
  await run('INSERT INTO status_audit (action, actor, details) VALUES ($1, $2, $3)', [
    action,
    actor,
    JSON.stringify(details),
  ])
}

/** Who runs a command on this machine, as the audit names him. */
export function operator(): string {
  try {
    return `command:${userInfo().username}`
  } catch {
    // A container's user often has a number only.
    return `command:uid ${process.getuid?.() ?? 'unknown'}`
  }
}

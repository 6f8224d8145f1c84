import { type Caller, SCOPES, type Scope } from '../context.ts'
import { Problem } from '../problems.ts'

/** What a key of the environment may do. */
export const ALL_SCOPES: ReadonlySet<Scope> = new Set(SCOPES)

/** Whether the caller's key has the scope; `admin` has all. */
export const hasScope = (caller: Caller, scope: Scope): boolean =>
  caller.scopes.has(scope) || caller.scopes.has('admin')

/** @throws Problem 403 when it has not */
export function requireScope(caller: Caller, scope: Scope): void {
  if (!hasScope(caller, scope)) throw new Problem(403, `The key lacks the scope ${scope}.`)
}

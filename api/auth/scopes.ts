import { type Caller, SCOPES, type Scope } from '../context.ts'
import { Problem } from '../problems.ts'

/** What a key of the environment may do. */
export const ALL_SCOPES: ReadonlySet<Scope> = new Set(SCOPES)

/** @throws Problem 403 when the caller's key lacks the scope; `admin` has all */
export function requireScope(caller: Caller, scope: Scope): void {
  if (!caller.scopes.has(scope) && !caller.scopes.has('admin'))
    throw new Problem(403, `The key lacks the scope ${scope}.`)
}

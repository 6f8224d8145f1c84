import type pg from 'pg'
import { createClient } from '../../schemas/database.ts'

/** Refusals that come once the password was found right: no more connections of the role, or none to this database. */
const AFTER_PASSWORD = new Set(['53300', '42501'])
const WRONG_PASSWORD = '28P01'

export interface Tried {
  /** `unknown` where the server could not be asked, or does not let the role in from here whatever its password is. */
  password: 'right' | 'wrong' | 'unknown'
  /** Why it is not `right`. */
  error?: Error
}

/** Logs in, to learn whether a password is the role's. @param url a DATABASE_URL with the role and the password */
export async function tryPassword(url: string): Promise<Tried> {
  const client = createClient({ connectionString: url, application_name: 'weir-roles' })
  client.on('error', () => {})
  try {
    await client.connect()
    return { password: 'right' }
  } catch (error) {
    const { code = '' } = error as pg.DatabaseError
    if (AFTER_PASSWORD.has(code)) return { password: 'right' }
    return { password: code === WRONG_PASSWORD ? 'wrong' : 'unknown', error: error as Error }
  } finally {
    client.end().catch(() => {})
  }
}

import type pg from 'pg'
import { OWNER } from '../../schemas/roles/roles.ts'

/**
 * Runs as fraud_owner: within a transaction of an administrator's. One who is no superuser becomes a member for that long.
 * @throws when he may not
 */
export async function asOwner<T>(client: pg.ClientBase, work: () => Promise<T>): Promise<T> {
  const becameMember = await become(client)
  const result = await work()
  await client.query('RESET ROLE')
  if (becameMember) await client.query(`REVOKE ${OWNER} FROM CURRENT_USER`)
  return result
}

/** @returns whether he had to be made a member first */
async function become(client: pg.ClientBase): Promise<boolean> {
  await client.query('SAVEPOINT owner')
  try {
    await client.query(`SET LOCAL ROLE ${OWNER}`)
    return false
  } catch (error) {
    if ((error as { code?: string }).code !== '42501') throw error
    await client.query('ROLLBACK TO SAVEPOINT owner')
    await client.query(`GRANT ${OWNER} TO CURRENT_USER`)
    await client.query(`SET LOCAL ROLE ${OWNER}`)
    return true
  }
}

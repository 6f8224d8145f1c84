import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto'

/** PostgreSQL's own number. */
const ITERATIONS = 4096
const SALT_BYTES = 16

/**
 * What PostgreSQL keeps of a password: by it the server can check one, and nobody can tell it. Made here, so that the
 * password itself is in no statement, log or view of the server
 * (https://www.postgresql.org/docs/current/catalog-pg-authid.html).
 * @param password printable ASCII: other texts would have to be normalised first (SASLprep)
 */
export function scramVerifier(
  password: string,
  salt: Buffer = randomBytes(SALT_BYTES),
  iterations = ITERATIONS,
): string {
  const salted = pbkdf2Sync(password, salt, iterations, 32, 'sha256')
  const hmac = (text: string) => createHmac('sha256', salted).update(text).digest()
  const storedKey = createHash('sha256').update(hmac('Client Key')).digest('base64')
  const serverKey = hmac('Server Key').toString('base64')
  return `SCRAM-SHA-256$${iterations}:${salt.toString('base64')}$${storedKey}:${serverKey}`
}

/** Whether a verifier is this password's. False for one of another kind, an md5. */
export function isVerifierOf(verifier: string, password: string): boolean {
  const [, iterations, salt] = /^SCRAM-SHA-256\$(\d+):([^$]+)\$/.exec(verifier) ?? []
  if (salt === undefined) return false
  return scramVerifier(password, Buffer.from(salt, 'base64'), Number(iterations)) === verifier
}

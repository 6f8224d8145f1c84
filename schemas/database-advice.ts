import type pg from 'pg'
import { fileAdvice } from './setting-values.ts'
import { tlsAdvice } from './tls-advice.ts'

const TLS_NAMES = {
  server: 'PostgreSQL',
  ca: 'sslrootcert of DATABASE_URL',
  identity: 'sslcert and sslkey of DATABASE_URL',
}

const NO_TLS = /The server does not support SSL connections/
const MUST_ENCRYPT = /no pg_hba\.conf entry .*no encryption/
const MUST_HAVE_CERTIFICATE = /requires a valid client certificate/

/**
 * Adds to a connection's error what to do about it, where the cause is TLS or who we say that we are.
 * @returns the same error
 */
export function explainConnection<E extends Error>(error: E): E {
  for (const advice of [adviceOf(error), fileAdvice('DATABASE_URL')])
    if (advice !== undefined && !error.message.includes(advice)) error.message = `${error.message}. ${advice}`
  return error
}

/** Whether a connection was refused for something that waiting does not mend: the wrong authority, name or kind of connection. */
export const isHopeless = (error: Error): boolean =>
  NO_TLS.test(error.message) ||
  MUST_ENCRYPT.test(error.message) ||
  MUST_HAVE_CERTIFICATE.test(error.message) ||
  tlsAdvice(error, TLS_NAMES) !== undefined

function adviceOf(error: Error): string | undefined {
  const { message } = error
  if (NO_TLS.test(message))
    return 'Turn TLS on there (ssl = on); sslmode=disable in DATABASE_URL is for loopback and for a network that is yours alone.'
  if (MUST_ENCRYPT.test(message))
    return 'The server takes encrypted connections only: set sslmode=verify-full and sslrootcert in DATABASE_URL.'
  if (MUST_HAVE_CERTIFICATE.test(message))
    return 'Name a certificate for this user: sslcert and sslkey in DATABASE_URL.'
  if ((error as pg.DatabaseError).code === '28P01')
    return 'If the password was changed: does DATABASE_URL, or the file that it comes from, have the new one?'
  return tlsAdvice(error, TLS_NAMES)
}

/**
 * What may be told of an error, in a log or on a terminal: what it is, its codes and where it came about. Errors carry more
 * than that: PostgreSQL's `detail` and `where` hold a row's values, a URL's error the URL with its password.
 */
export interface ErrorFields {
  name: string
  message: string
  stack?: string
  cause?: ErrorFields
  [field: string]: unknown
}

/** Names of things and of places, never values. */
const TOLD = [
  'code',
  'errno',
  'syscall',
  'address',
  'port',
  'severity',
  'schema',
  'table',
  'column',
  'constraint',
  'routine',
  'type',
  'broker',
  'retriable',
  'status',
] as const

const MAX_CAUSES = 5

/** @param error whatever was thrown */
export function errorFields(error: unknown, causes = MAX_CAUSES): ErrorFields {
  if (!(error instanceof Error)) return { name: typeof error, message: withoutSecrets(String(error)) }
  const message = safeMessage(error)
  const fields: ErrorFields = { name: error.name, message }
  for (const name of TOLD) {
    const value = (error as unknown as Record<string, unknown>)[name]
    if (typeof value === 'string') fields[name] = withoutSecrets(value)
    else if (typeof value === 'number' || typeof value === 'boolean') fields[name] = value
  }
  // The stack begins with the message as it was.
  const frames = error.stack?.indexOf('\n    at ') ?? -1
  if (frames >= 0) fields.stack = `${error.name}: ${message}${error.stack!.slice(frames)}`
  if (error.cause !== undefined && causes > 0) fields.cause = errorFields(error.cause, causes - 1)
  return fields
}

/** An error's message without secrets and values of rows, in those of its causes that it repeats, too. */
export function safeMessage(error: Error, causes = MAX_CAUSES): string {
  const [first] = error instanceof AggregateError ? error.errors : []
  // Node gives one without a message when a name has several addresses and none answers.
  let message = error.message || (first instanceof Error ? first.message : '')
  const { cause } = error
  if (cause instanceof Error && cause.message !== '' && causes > 0)
    message = message.replaceAll(cause.message, () => safeMessage(cause, causes - 1))
  return withoutSecrets(isDataFault(error) ? message.replace(/".*"/s, '(a value)') : message)
}

/** PostgreSQL's class 22 quotes what it could not take. */
function isDataFault(error: Error): boolean {
  const { code, severity } = error as { code?: unknown; severity?: unknown }
  return severity !== undefined && typeof code === 'string' && code.startsWith('22')
}

/** Text without what is told by its form to be a secret: passwords in URLs, API keys of Weir, numbers of cards. */
export function withoutSecrets(text: string): string {
  return text
    .replace(/([a-z][a-z\d+.-]*:\/\/)[^\s"'<>]*@/gi, '$1(hidden)@')
    .replace(/weir_[\w-]{16,}/g, 'weir_(hidden)')
    .replace(/\d(?:[ -]?\d){14,18}/g, (digits) => (isCard(digits) ? '(a card number)' : digits))
}

/** Luhn's check digit. */
function isCard(text: string): boolean {
  const digits = text.replaceAll(/\D/g, '').split('').reverse().map(Number)
  const sum = digits.reduce((total, digit, i) => {
    const counted = i % 2 === 1 ? digit * 2 : digit
    return total + (counted > 9 ? counted - 9 : counted)
  }, 0)
  return sum % 10 === 0
}

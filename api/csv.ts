/** CSV by RFC 4180 (CRLF, quotes doubled), of values that spreadsheets may open. */

/** What a spreadsheet takes for the beginning of a formula. */
const FORMULA = /^[=+\-@\t\r\n\uFF0B\uFF0D\uFF1D\uFF20]/

/** A line with its end. null and undefined are empty fields; objects are JSON. */
export const csvLine = (values: readonly unknown[]): string => `${values.map(field).join(',')}\r\n`

function field(value: unknown): string {
  if (value === null || value === undefined) return ''
  if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  // An apostrophe before it: the spreadsheet shows it as text. Who reads the file by program takes it away.
  const safe = FORMULA.test(text) ? `'${text}` : text
  return /[",\r\n']/.test(safe) || safe !== safe.trim() ? `"${safe.replaceAll('"', '""')}"` : safe
}

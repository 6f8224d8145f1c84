/** Characters that move the cursor, change colours or hide what stands there: whoever can send records writes them. */
const CONTROLS = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu

const escaped = (character: string): string =>
  `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}${character.length > 1 ? escaped(character[1]) : ''}`

/** The text for a terminal, on one line. */
export const printable = (text: string): string => text.replaceAll(CONTROLS, escaped)

/** A value as one line of JSON, safe on a terminal too. */
export const jsonLine = (value: unknown): string => printable(JSON.stringify(value))

/** A time in ISO 8601; as the number that it is where no date can hold it. */
export function isoTime(milliseconds: number): string {
  const date = new Date(milliseconds)
  return Number.isNaN(date.getTime()) ? String(milliseconds) : date.toISOString()
}

/** Rows with each column but the last as wide as its widest cell. */
export function table(rows: string[][]): string {
  const widths = rows.reduce<number[]>(
    (widest, row) => row.map((cell, i) => Math.max(widest[i] ?? 0, cell.length)),
    [],
  )
  const line = (row: string[]) =>
    row.map((cell, i) => (i === row.length - 1 ? cell : cell.padEnd(widths[i]))).join('  ')
  return rows.map(line).join('\n')
}

/** "1 record", "2 records". */
export const counted = (n: number, what: string): string =>
  `${n.toLocaleString('en-US')} ${what}${n === 1 ? '' : 's'}`

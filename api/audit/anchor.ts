import { appendFileSync, readFileSync } from 'node:fs'
import { z } from 'zod'

/** A link of the chain as it was at some time, to be kept where the database's owner cannot write. One JSON object a line. */
const anchorForm = z.object({
  seq: z.number().int().min(0),
  /** 64 hex digits. */
  hash: z.string().regex(/^[0-9a-f]{64}$/),
  /** When it was taken, ISO 8601 UTC. */
  at: z.string(),
  database: z.string(),
})
export type Anchor = z.infer<typeof anchorForm>

/** Adds an anchor to a file, which is made if need be. */
export function appendAnchor(file: string, anchor: Anchor): void {
  appendFileSync(file, `${JSON.stringify(anchor)}\n`, { mode: 0o600, flush: true })
}

/** @throws with the line's number when one is no anchor, and when there is none */
export function readAnchors(file: string): Anchor[] {
  const lines = readFileSync(file, 'utf8').split('\n')
  const anchors = lines.flatMap((line, i) => (line.trim() === '' ? [] : [anchorOf(line, `${file}:${i + 1}`)]))
  if (anchors.length === 0) throw new Error(`${file} has no anchor`)
  return anchors
}

function anchorOf(line: string, where: string): Anchor {
  try {
    return anchorForm.parse(JSON.parse(line))
  } catch (cause) {
    throw new Error(`${where} is no anchor such as \`npm run audit -- anchor\` writes`, { cause })
  }
}

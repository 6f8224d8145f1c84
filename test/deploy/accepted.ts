import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parse } from 'yaml'
import { z } from 'zod'
import type { Finding } from './check.ts'

/** Findings that stay, in accepted.yaml, each with the reason. Those that are high or critical cannot. */

const MOST = 10
const file = fileURLToPath(new URL('./accepted.yaml', import.meta.url))

const entry = z.strictObject({
  tool: z.string(),
  rule: z.string(),
  /** A part of the finding's place; all places when it is left out. */
  where: z.string().default(''),
  why: z.string().min(20),
})
export type Accepted = z.infer<typeof entry>

const entries = z.array(entry).max(MOST, `at most ${MOST} findings can be accepted: mend the others`)

/** @throws when there are too many, or one has no reason */
export function readAccepted(text = readFileSync(file, 'utf8')): Accepted[] {
  const read = entries.safeParse(parse(text) ?? [])
  if (!read.success) throw new Error(`accepted.yaml: ${z.prettifyError(read.error)}`)
  return read.data
}

/** @returns the findings that remain, and the entries that some finding was accepted by */
export function withoutAccepted(
  tool: string,
  findings: Finding[],
  accepted: Accepted[],
): { remaining: Finding[]; used: Set<Accepted> } {
  const used = new Set<Accepted>()
  const remaining = findings.filter((finding) => {
    if (finding.severity === 'high' || finding.severity === 'critical') return true
    const by = accepted.find(
      (each) => each.tool === tool && each.rule === finding.rule && finding.where.includes(each.where),
    )
    if (by !== undefined) used.add(by)
    return by === undefined
  })
  return { remaining, used }
}

import { execFile } from 'node:child_process'
import type { ToolOptions } from '../tools/installed.ts'

/** What the checks of the deployment have in common. */

export type Severity = 'critical' | 'high' | 'medium' | 'low'

/** Something that a tool does not like. */
export interface Finding {
  /** The tool's own name for it. */
  rule: string
  severity: Severity
  /** A file, with the line or the object in it where the tool tells. */
  where: string
  message: string
}

export interface Context extends ToolOptions {
  /** An empty directory for this check alone, gone afterwards. */
  directory: string
}

export interface Looked {
  /** What was looked at, e.g. `3 files`. */
  at: string
  findings: Finding[]
}

/** @throws LeftOut when there is nothing to look at, or the tool cannot be had here */
export type Check = (context: Context) => Promise<Looked>

/** A check that could not be made, and why. */
export class LeftOut extends Error {}

interface OutputOptions {
  signal: AbortSignal
  cwd?: string
  /** Beside this process's own. */
  env?: Record<string, string>
  /** Exit codes that are no failure of the program itself; linters end with 1 when they found something. */
  allowed?: number[]
}

/**
 * Runs a program to its end.
 * @returns its stdout and stderr
 * @throws with the end of what it wrote
 */
export function output(
  program: string,
  args: string[],
  { signal, cwd, env, allowed = [0, 1] }: OutputOptions,
): Promise<{ code: number; out: string; errors: string }> {
  return new Promise((resolve, reject) => {
    const options = { signal, cwd, env: { ...process.env, ...env }, maxBuffer: 256 * 1024 * 1024 }
    const child = execFile(program, args, options, (error, out, errors) => {
      const code = child.exitCode
      if (code !== null && allowed.includes(code)) resolve({ code, out, errors })
      else
        reject(
          new Error(`exit code ${code}: ${error?.message.split('\n')[0]}\n${(errors || out).slice(-2000)}`),
        )
    })
  })
}

/** @throws with what was there instead */
export function parsed<T>(tool: string, text: string): T {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new Error(`${tool} printed no JSON: ${text.slice(0, 500)}`, { cause })
  }
}

/** A tool's own word for how bad it is; what is not known counts as high. */
export const severityOf = (words: Record<string, Severity>, word: string): Severity =>
  words[word.toLowerCase()] ?? 'high'

export const counted = (count: number, what: string): string => `${count} ${what}${count === 1 ? '' : 's'}`

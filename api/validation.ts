import type { Context } from 'hono'
import type { z } from 'zod'
import { printable } from '../schemas/printable.ts'
import type { Env } from './context.ts'
import { type Fault, Problem } from './problems.ts'

/** Holds what callers send against its form, and tells what is wrong with it. Malformed JSON is 400, an invalid value 422. */

/** @throws Problem 422 that names each invalid parameter of the path */
export function pathOf<S extends z.ZodType>(c: Context<Env>, schema: S): z.infer<S> {
  return check(schema, c.req.param(), 'parameter')
}

/** @throws Problem 422 that names each invalid parameter; unknown ones are ignored */
export function queryOf<S extends z.ZodType>(c: Context<Env>, schema: S): z.infer<S> {
  const given: Record<string, string | string[]> = {}
  for (const [name, values] of Object.entries(c.req.queries())) {
    if (name === 'status') given.status = values.flatMap((v) => v.split(','))
    else given[name] = values.length === 1 ? values[0] : values
  }
  return check(schema, given, 'parameter')
}

/** @throws Problem 422 with each invalid field */
export async function formOf<S extends z.ZodType>(c: Context<Env>, schema: S): Promise<z.infer<S>> {
  return check(schema, await c.req.parseBody().catch(() => ({})), 'pointer')
}

function check<S extends z.ZodType>(schema: S, value: unknown, where: 'pointer' | 'parameter'): z.infer<S> {
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  throw invalid(parsed.error, where)
}

/** Who sends more faults, or names of members that are longer, gets no longer answer for it. */
const MOST_FAULTS = 100
const MOST_NAME = 100

/** The problem that names each invalid member of a body, or each invalid parameter; the first hundred of them. */
export function invalid(error: z.core.$ZodError, where: 'pointer' | 'parameter'): Problem {
  const faults = error.issues.flatMap((issue): Fault[] => {
    const paths =
      issue.code === 'unrecognized_keys' ? issue.keys.map((k) => [...issue.path, k]) : [issue.path]
    const detail = issue.code === 'unrecognized_keys' ? 'is not a known member' : issue.message
    return paths.map((path) =>
      where === 'pointer' ? { pointer: pointer(path), detail } : { parameter: String(path[0]), detail },
    )
  })
  const errors = faults.slice(0, MOST_FAULTS)
  const texts = errors.map((e) => `${e.parameter ?? e.pointer?.replace(/^#\/?/, '')}: ${e.detail}`)
  if (faults.length > errors.length) texts.push(`and ${faults.length - errors.length} more`)
  return new Problem(422, texts.join('; '), { errors })
}

const pointer = (path: readonly PropertyKey[]): string => `#${path.map((p) => `/${nameOf(p)}`).join('')}`

/** As it stands in a JSON pointer, but for what is too long or controls a terminal. */
const nameOf = (key: PropertyKey): string => {
  const name = String(key)
  const shown =
    name.length > MOST_NAME ? `${[...name.slice(0, 2 * MOST_NAME)].slice(0, MOST_NAME).join('')}…` : name
  return printable(shown).replaceAll('~', '~0').replaceAll('/', '~1')
}

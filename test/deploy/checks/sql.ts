import { readdir, readFile, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parse } from 'yaml'
import { z } from 'zod'
import { installed, pythonPackages } from '../../tools/installed.ts'
import { type Check, counted, type Finding, output, parsed, type Severity, severityOf } from '../check.ts'

/** The migrations by squawk: what would lock a table that is in use, or cannot be taken back. */

const MIGRATIONS = 'schemas/sql'
const SQUAWK = ['squawk-cli==2.70.0']
const LEVELS: Record<string, Severity> = { error: 'high', warning: 'medium' }

const baseline = z.array(
  z.strictObject({
    rules: z.array(z.string()),
    in: z.array(z.string().regex(/^\d{4}$/)),
    why: z.string().min(20),
  }),
)

export const squawk: Check = async (context) => {
  const home = await installed('squawk', SQUAWK.join(), context, pythonPackages(SQUAWK))
  const files = []
  for (const name of (await readdir(MIGRATIONS)).sort()) {
    const file = join(context.directory, name)
    // What takes a migration back is asked for by a person, who means to drop things.
    const [up] = (await readFile(join(MIGRATIONS, name), 'utf8')).split(/^-- Down Migration/m)
    await writeFile(file, up)
    files.push(file)
  }
  const args = ['--reporter', 'json', '--pg-version', '15.0', '--assume-in-transaction', ...files]
  const { out } = await output(join(home, 'bin', 'squawk'), args, context)
  const found = parsed<{ file: string; line: number; level: string; message: string; rule_name: string }[]>(
    'squawk',
    out,
  )
  const findings = found.map(({ file, line, level, message, rule_name }) => ({
    rule: rule_name,
    severity: severityOf(LEVELS, level),
    where: `${join(MIGRATIONS, basename(file))}:${line + 1}`,
    message,
  }))
  return { at: counted(files.length, 'migration'), findings: await withoutBaseline(findings) }
}

/** @returns the findings that are not of the past, and one for each line of the list that finds nothing */
async function withoutBaseline(findings: Finding[]): Promise<Finding[]> {
  const file = fileURLToPath(new URL('../squawk-baseline.yaml', import.meta.url))
  const past = baseline.parse(parse(await readFile(file, 'utf8')))
  const isOf = (line: (typeof past)[number], { rule, where }: Finding) =>
    line.rules.includes(rule) && line.in.includes(basename(where).slice(0, 4))
  const stale = past.flatMap((line) => {
    const found = findings.filter((finding) => isOf(line, finding))
    const unused = [
      ...line.rules.filter((rule) => !found.some((finding) => finding.rule === rule)),
      ...line.in.filter((number) => !found.some(({ where }) => basename(where).startsWith(number))),
    ]
    return unused.map(
      (name): Finding => ({
        rule: 'baseline',
        severity: 'low',
        where: 'test/deploy/squawk-baseline.yaml',
        message: `nothing is found for ${name} any more; take it out`,
      }),
    )
  })
  return [...findings.filter((finding) => !past.some((line) => isOf(line, finding))), ...stale]
}

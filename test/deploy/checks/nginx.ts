import { cp, mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { nginx } from '../../tools/debian.ts'
import { installed, pythonPackages } from '../../tools/installed.ts'
import { type Check, counted, type Finding, LeftOut, output, parsed, type Severity, severityOf } from '../check.ts'

/** nginx's configuration: by gixy, and at work before two real API processes. */

const CONFIGURATION = 'deploy/nginx'
const GIXY = ['gixy-ng==0.2.59']

const SEVERITIES: Record<string, Severity> = { high: 'high', medium: 'medium', low: 'low', unspecified: 'low' }

export const gixy: Check = async (context) => {
  const home = await installed('gixy', GIXY.join(), context, pythonPackages(GIXY))
  const directory = join(context.directory, 'nginx')
  await mkdir(directory)
  await cp(CONFIGURATION, directory, { recursive: true })
  // What it includes is where a container has it.
  const main = join(directory, 'nginx.conf')
  await writeFile(main, (await readFile(main, 'utf8')).replaceAll('/etc/nginx/weir', directory))
  const { out } = await output(join(home, 'bin', 'gixy'), ['--format', 'json', main], context)
  const found = parsed<{ plugin: string; severity: string; summary: string; reason: string; config: string }[]>('gixy', out)
  return {
    at: '3 files',
    findings: found.map(({ plugin, severity, summary, reason, config }) => ({
      rule: plugin,
      severity: severityOf(SEVERITIES, severity),
      where: config.trim().split('\n').at(-1) ?? '',
      message: `${summary} ${reason}`,
    })),
  }
}

const TEST = 'test/deploy/nginx.test.ts'

export const nginxTest: Check = async (context) => {
  try {
    await nginx(context)
  } catch (error) {
    throw new LeftOut(`no nginx: ${(error as Error).message}`)
  }
  const args = ['--import', 'tsx', '--test', '--test-reporter=tap', TEST]
  const { out, errors } = await output(process.execPath, args, context)
  const count = (what: string): number => Number(new RegExp(`^# ${what} (\\d+)$`, 'm').exec(out)?.[1] ?? 0)
  if (count('pass') + count('fail') === 0) throw new Error(`no test ran: ${out}${errors}`)
  if (count('skipped') > 0) throw new LeftOut('no nginx was found')
  const findings = [...out.matchAll(/^not ok \d+ - (.*)$[\s\S]*?error: (?:\|-\s*)?(.*)$/gm)].map(
    ([, test, error]): Finding => ({ rule: 'test', severity: 'high', where: `${TEST}: ${test}`, message: error }),
  )
  if (findings.length === 0 && count('fail') > 0) throw new Error(out.slice(-2000))
  return { at: counted(count('pass') + count('fail'), 'test'), findings }
}

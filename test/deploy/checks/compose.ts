import { globSync } from 'node:fs'
import { join } from 'node:path'
import { goProgram, installed, npmPackages, pythonPackages } from '../../tools/installed.ts'
import {
  type Check,
  counted,
  type Finding,
  LeftOut,
  output,
  parsed,
  type Severity,
  severityOf,
} from '../check.ts'

/** The Compose files: by what reads them in Docker itself, by dclint's rules, and by compose-lint's for security. */

const FILES = 'deploy/compose/compose*.yaml'
const BASE = 'deploy/compose/compose.yaml'
const COMPOSE_GO = 'github.com/compose-spec/compose-go/v2/cmd@v2.9.0'
const DCLINT = ['dclint@3.1.0']
const COMPOSE_LINT = ['compose-lint==0.36.2']

/** What a user puts into .env. */
const ENVIRONMENT = [
  'WEIR_ADDRESS=127.0.0.1',
  'WEIR_POSTGRES=pg:5432',
  'WEIR_KAFKA=k:9093',
  'WEIR_REGISTRY=https://r',
]

/** Reads, merges and checks them as `docker compose config` would: that command is this library. */
export const composeGo: Check = async (context) => {
  const home = await installed('compose-go', COMPOSE_GO, context, goProgram(COMPOSE_GO)).catch((error) => {
    throw new LeftOut(`Go cannot build it: ${error.message}`)
  })
  const overrides = globSync(FILES).filter((file) => file !== BASE)
  const findings: Finding[] = []
  for (const files of [[BASE], ...overrides.map((override) => [BASE, override])]) {
    const { code, errors } = await output(
      '/usr/bin/env',
      [...ENVIRONMENT, join(home, 'cmd'), ...files],
      context,
    )
    if (code !== 0)
      findings.push({
        rule: 'compose-spec',
        severity: 'high',
        where: files.join(' + '),
        message: errors.trim(),
      })
  }
  return { at: `${counted(overrides.length + 1, 'project')}`, findings }
}

const DCLINT_SEVERITIES: Record<string, Severity> = {
  critical: 'high',
  major: 'high',
  minor: 'medium',
  info: 'low',
}

export const dclint: Check = async (context) => {
  const home = await installed('dclint', DCLINT.join(), context, npmPackages(DCLINT))
  const files = globSync(FILES)
  const args = ['--formatter', 'json', '--config', 'test/deploy/dclint.json', ...files]
  const { out } = await output(join(home, 'node_modules', '.bin', 'dclint'), args, context)
  const report = parsed<
    { filePath: string; messages: { rule: string; severity: string; message: string; line: number }[] }[]
  >('dclint', out)
  return {
    at: counted(files.length, 'file'),
    findings: report.flatMap(({ filePath, messages }) =>
      messages.map(({ rule, severity, message, line }) => ({
        rule,
        severity: severityOf(DCLINT_SEVERITIES, severity),
        where: `${filePath}:${line}`,
        message,
      })),
    ),
  }
}

const SEVERITIES: Record<string, Severity> = {
  critical: 'critical',
  high: 'high',
  medium: 'medium',
  low: 'low',
  info: 'low',
}

interface ComposeLintFinding {
  rule_id: string
  severity: string
  message: string
  service?: string
  line?: number
}

export const composeLint: Check = async (context) => {
  const home = await installed('compose-lint', COMPOSE_LINT.join(), context, pythonPackages(COMPOSE_LINT))
  const files = globSync(FILES)
  const findings: Finding[] = []
  for (const file of files) {
    const { out } = await output(join(home, 'bin', 'compose-lint'), ['--format', 'json', file], {
      ...context,
      allowed: [0, 1, 2],
    })
    for (const found of parsed<{ findings: ComposeLintFinding[] }>('compose-lint', out).findings)
      findings.push({
        rule: found.rule_id,
        severity: severityOf(SEVERITIES, found.severity),
        where: `${file}:${found.line ?? 0} ${found.service ?? ''}`,
        message: found.message,
      })
  }
  return { at: counted(files.length, 'file'), findings }
}

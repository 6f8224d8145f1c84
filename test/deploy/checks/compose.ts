import { globSync, readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { goModuleProgram, installed, npmPackages, pythonPackages } from '../../tools/installed.ts'
import {
  type Check,
  type Context,
  counted,
  type Finding,
  LeftOut,
  output,
  parsed,
  type Severity,
  severityOf,
} from '../check.ts'

/** The Compose files: by Docker Compose itself, by dclint's rules, and by compose-lint's for security. */

const BASE = 'deploy/compose/compose.yaml'
const OVERRIDES = globSync('deploy/compose/compose.*.yaml')
/** It needs no engine to read files. */
const COMPOSE = 'github.com/docker/compose/v2/cmd@v2.40.3'
const DCLINT = ['dclint@3.1.0']
const COMPOSE_LINT = ['compose-lint==0.36.2']

/** What a user puts into .env. */
const ENVIRONMENT = ['WEIR_ADDRESS=192.0.2.1', 'WEIR_KAFKA=kafka:9093', 'WEIR_REGISTRY=https://registry']

/** Each project: compose.yaml alone, and with each file that goes over it. @throws LeftOut without Go */
async function merged(context: Context): Promise<Map<string, { text: string; fault?: string }>> {
  const install = goModuleProgram(COMPOSE, 'compose')
  const home = await installed('docker-compose', COMPOSE, context, install).catch((error) => {
    throw new LeftOut(`Go cannot build Docker Compose: ${error.message}`)
  })
  const projects = new Map<string, { text: string; fault?: string }>()
  for (const files of [[BASE], ...OVERRIDES.map((override) => [BASE, override])]) {
    const args = [...files.flatMap((file) => ['--file', file]), '--profile', '*', 'config']
    const { code, out, errors } = await output(
      '/usr/bin/env',
      [...ENVIRONMENT, join(home, 'compose'), ...args],
      context,
    )
    projects.set(files.at(-1)!, code === 0 ? { text: out } : { text: '', fault: errors.trim() })
  }
  return projects
}

/** Reads, merges and checks them: `docker compose config`. */
export const composeConfig: Check = async (context) => {
  const projects = await merged(context)
  const findings = [...projects].flatMap(([where, { fault }]): Finding[] =>
    fault === undefined ? [] : [{ rule: 'config', severity: 'high', where, message: fault }],
  )
  return { at: counted(projects.size, 'project'), findings }
}

const DCLINT_SEVERITIES: Record<string, Severity> = {
  critical: 'high',
  major: 'high',
  minor: 'medium',
  info: 'low',
}

export const dclint: Check = async (context) => {
  const home = await installed('dclint', DCLINT.join(), context, npmPackages(DCLINT))
  // It does not know !reset and !override.
  const files = [BASE, ...OVERRIDES.filter((file) => !readFileSync(file, 'utf8').includes('!reset'))]
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

/** On what they come to together: an override says only what is otherwise. */
export const composeLint: Check = async (context) => {
  const home = await installed('compose-lint', COMPOSE_LINT.join(), context, pythonPackages(COMPOSE_LINT))
  const projects = await merged(context)
  const findings: Finding[] = []
  for (const [where, { text, fault }] of projects) {
    if (fault !== undefined) throw new Error(`${where} cannot be read: ${fault}`)
    const file = join(context.directory, basename(where))
    await writeFile(file, text)
    const { out } = await output(join(home, 'bin', 'compose-lint'), ['--format', 'json', file], {
      ...context,
      allowed: [0, 1, 2],
    })
    for (const found of parsed<{ findings: ComposeLintFinding[] }>('compose-lint', out).findings)
      findings.push({
        rule: found.rule_id,
        severity: severityOf(SEVERITIES, found.severity),
        where: `${where} ${found.service ?? ''}`,
        message: found.message,
      })
  }
  return { at: counted(projects.size, 'project'), findings }
}

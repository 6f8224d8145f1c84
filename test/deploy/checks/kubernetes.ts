import { existsSync } from 'node:fs'
import { readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseAllDocuments } from 'yaml'
import { goProgram, installed, pythonPackages } from '../../tools/installed.ts'
import { type Check, type Context, counted, type Finding, LeftOut, output } from '../check.ts'

/** Each overlay of the manifests, put together as kubectl would, and each object by the schemas of Kubernetes. */

const OVERLAYS = 'deploy/kubernetes/overlays'
const KUSTOMIZE = 'sigs.k8s.io/kustomize/kustomize/v5@v5.7.1'
const VALIDATE = ['kubernetes-validate==1.37.0']
const VERSION = '1.33'

/** kubectl has kustomize in it; else Go builds it. @returns a program and its first arguments */
async function kustomizer(context: Context): Promise<string[]> {
  for (const path of ['/usr/bin/kubectl', '/usr/local/bin/kubectl'])
    if (existsSync(path)) return [path, 'kustomize']
  const home = await installed('kustomize', KUSTOMIZE, context, async (directory, signal) => {
    await goProgram(KUSTOMIZE)(directory, signal).catch((cause) => {
      throw new LeftOut(`there is no kubectl, and Go cannot build kustomize: ${cause.message}`)
    })
  })
  return [join(home, 'kustomize'), 'build']
}

/** @returns the manifests of each overlay, by its name */
export async function rendered(context: Context): Promise<Map<string, string>> {
  const [program, ...args] = await kustomizer(context)
  const texts = new Map<string, string>()
  for (const name of (await readdir(OVERLAYS)).sort()) {
    const { out } = await output(program, [...args, join(OVERLAYS, name)], { ...context, allowed: [0] })
    texts.set(name, out)
  }
  return texts
}

interface Manifest {
  kind: string
  metadata: { name: string; namespace?: string }
}

const objectsOf = (text: string): Manifest[] => parseAllDocuments(text).map((document) => document.toJS())

export const kustomize: Check = async (context) => {
  const findings: Finding[] = []
  let objects = 0
  for (const [name, text] of await rendered(context)) {
    for (const { kind, metadata } of objectsOf(text)) {
      objects++
      // Secrets are made where the cluster is, from files that are not here.
      if (kind === 'Secret')
        findings.push({
          rule: 'secret',
          severity: 'critical',
          where: `${name}: ${metadata.name}`,
          message: 'a Secret in the repository',
        })
      if (kind !== 'Namespace' && metadata.namespace === undefined)
        findings.push({
          rule: 'namespace',
          severity: 'medium',
          where: `${name}: ${kind} ${metadata.name}`,
          message: 'it names no namespace',
        })
    }
  }
  return { at: counted(objects, 'object'), findings }
}

export const kubernetesValidate: Check = async (context) => {
  const home = await installed('kubernetes-validate', VALIDATE.join(), context, pythonPackages(VALIDATE))
  const findings: Finding[] = []
  const overlays = await rendered(context)
  for (const [name, text] of overlays) {
    const file = join(context.directory, `${name}.yaml`)
    await writeFile(file, text)
    const args = ['--strict', '--kubernetes-version', VERSION, file]
    const { code, out, errors } = await output(join(home, 'bin', 'kubernetes-validate'), args, {
      ...context,
      allowed: [0, 1, 2, 3],
    })
    if (code === 0) continue
    for (const line of `${out}\n${errors}`.split('\n'))
      if (/ERROR|WARN/.test(line))
        findings.push({ rule: 'schema', severity: 'high', where: name, message: line })
    if (findings.length === 0) throw new Error(`exit code ${code}: ${out}${errors}`)
  }
  return { at: `${counted(overlays.size, 'overlay')} against Kubernetes ${VERSION}`, findings }
}

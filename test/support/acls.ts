import { readFileSync } from 'node:fs'
import kafkajs, { type AclEntry, type Admin } from 'kafkajs'
import { until } from '../harness.ts'

const OPERATIONS = kafkajs.AclOperationTypes
const RESOURCES = { '--topic': kafkajs.AclResourceTypes.TOPIC, '--group': kafkajs.AclResourceTypes.GROUP }

/** The lines that deploy/tls.md gives to administrators of Kafka: what is documented is what is tested. */
export function documentedAcls(): AclEntry[] {
  const text = readFileSync(new URL('../../deploy/tls.md', import.meta.url), 'utf8')
  const lines = [...text.matchAll(/^kafka-acls .*--add (.*)$/gm)].map((match) => match[1])
  return lines.flatMap((line) => entriesOf(line))
}

/** `--allow-principal User:x --operation Read --topic a --topic b` is two entries. */
export function entriesOf(line: string): AclEntry[] {
  const words = line.trim().split(/\s+/)
  const values = (name: string) => words.filter((_, i) => words[i - 1] === name)
  const resourcePatternType =
    values('--resource-pattern-type')[0] === 'prefixed'
      ? kafkajs.ResourcePatternTypes.PREFIXED
      : kafkajs.ResourcePatternTypes.LITERAL
  const entries: AclEntry[] = []
  for (const principal of values('--allow-principal'))
    for (const operation of values('--operation'))
      for (const [option, resourceType] of Object.entries(RESOURCES))
        for (const resourceName of values(option))
          entries.push({
            principal,
            host: '*',
            operation: OPERATIONS[operation.toUpperCase() as keyof typeof OPERATIONS],
            permissionType: kafkajs.AclPermissionTypes.ALLOW,
            resourceType,
            resourceName,
            resourcePatternType,
          })
  return entries
}

const ANY = {
  resourceType: kafkajs.AclResourceTypes.ANY,
  resourcePatternType: kafkajs.ResourcePatternTypes.ANY,
  operation: OPERATIONS.ANY,
  permissionType: kafkajs.AclPermissionTypes.ANY,
}

/** Ends when they hold: the broker hears of them a moment after the controller has taken them. */
export async function allow(admin: Admin, acl: AclEntry[]): Promise<void> {
  if (!(await admin.createAcls({ acl }))) throw new Error('the ACLs were not made')
  const all = new Set(acl.map((entry) => JSON.stringify(entry))).size
  await until(
    async () => (await admin.describeAcls(ANY)).resources.flatMap(({ acls }) => acls).length >= all,
    { what: `${all} ACLs` },
  )
}

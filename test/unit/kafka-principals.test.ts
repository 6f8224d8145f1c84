import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { documentedAcls } from '../support/acls.ts'

const DEPLOYMENTS = ['compose/compose.external.yaml', 'kubernetes/base/pipeline.yaml']
const USER = /KAFKA_SASL_USERNAME(?:, value)?: (\w+)/g

test('the users that deployments log in to Kafka as are those that the ACLs of deploy/tls.md name', () => {
  const principals = new Set(documentedAcls().map(({ principal }) => principal))
  for (const file of DEPLOYMENTS) {
    const text = readFileSync(new URL(`../../deploy/${file}`, import.meta.url), 'utf8')
    const users = [...text.matchAll(USER)].map((match) => match[1])
    assert.ok(users.length > 0, file)
    for (const user of users) assert.ok(principals.has(`User:${user}`), `${file}: ${user}`)
  }
})

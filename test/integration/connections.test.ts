import assert from 'node:assert/strict'
import { test } from 'node:test'
import { withClient } from '../../schemas/database.ts'
import { freshDatabase } from '../harness.ts'

const show = (connectionString: string, name: string) =>
  withClient({ connectionString, application_name: 'weir-test' }, async (client) => {
    const { rows } = await client.query(`SHOW ${name}`)
    return rows[0][name]
  })

test('plans are not compiled, unless the URL says so', async (t) => {
  const url = await freshDatabase(t)
  assert.equal(await show(url, 'jit'), 'off')
  const own = new URL(url)
  own.searchParams.set('options', '-c jit=on -c work_mem=5MB')
  assert.equal(await show(own.href, 'jit'), 'on')
  assert.equal(await show(own.href, 'work_mem'), '5MB')
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createKeyText, hashOf } from '../../api/auth/key-text.ts'
import { createKeys } from '../../api/auth/keys.ts'
import { requireScope } from '../../api/auth/scopes.ts'
import type { Entry, StoredKeys } from '../../api/auth/stored-keys.ts'
import { SCOPES, type Scope } from '../../api/context.ts'
import { Problem } from '../../api/problems.ts'

/** Keys of a table with these scopes, as they are recognised. */
async function recognised(...scopesOfEach: Scope[][]) {
  const texts = scopesOfEach.map(() => createKeyText())
  const entries = new Map(
    texts.map(({ id, text }, i): [string, Entry] => [
      id,
      {
        id,
        name: 'test',
        scopes: scopesOfEach[i],
        expires_at: null,
        replaced_by: null,
        secret_hash: hashOf(text),
        sessionKey: Buffer.alloc(32),
      },
    ]),
  )
  const stored = { find: async (id: string) => entries.get(id), used: () => {} } as unknown as StoredKeys
  const keys = createKeys(undefined, stored)
  return Promise.all(texts.map(async ({ text }) => (await keys.recognise(text))!.caller))
}

test('a key may do what its scopes say and nothing else; admin may do all', async () => {
  for (const scope of SCOPES) {
    const [caller] = await recognised([scope])
    for (const wanted of SCOPES) {
      if (scope === wanted || scope === 'admin') requireScope(caller, wanted)
      else
        assert.throws(
          () => requireScope(caller, wanted),
          (error) => error instanceof Problem && error.status === 403,
        )
    }
  }
})

test('calls are counted by key: no two have the same bucket', async () => {
  const [one, other] = await recognised(['read'], ['read'])
  assert.notEqual(one.bucket, other.bucket)
})

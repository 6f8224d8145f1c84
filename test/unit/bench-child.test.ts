import assert from 'node:assert/strict'
import { test } from 'node:test'
import { environmentOf, startChild } from '../../bench/child.ts'
import { loadSettings } from '../../schemas/settings.ts'

const settings = loadSettings([], {
  KAFKA_BROKERS: 'one:9092,two:9092',
  DATABASE_URL: 'postgres://u:p@127.0.0.1/db',
  CREATE_TOPICS: 'true',
  LANES: '5',
})

test('a child reads from its environment the very settings that it was given', () => {
  assert.deepEqual(loadSettings([], environmentOf(settings)), settings)
})

test('what is set in a .env beside it does not reach a child', () => {
  const dotEnv = {
    KAFKA_BOOTSTRAP_SERVERS: 'else:9092',
    DATABASE_URL_FILE: '/nowhere',
    RULES_FILE: 'mine.yaml',
    LANES: '1',
  }
  // process.loadEnvFile leaves alone what is there, empty or not.
  assert.deepEqual(loadSettings([], { ...dotEnv, ...environmentOf(settings) }), settings)
})

test('a child that fails tells how, with the last lines that it wrote', async () => {
  await using child = startChild({
    file: 'deploy/weir.ts',
    args: ['no-such-command'],
    settings,
    signal: new AbortController().signal,
  })
  await assert.rejects(child.died, /deploy\/weir\.ts no-such-command ended \(exit code 2\)[\s\S]*Usage: /)
  await assert.rejects(child.message(), /exit code 2/)
})

test('an interrupt ends a child that would go on', async () => {
  const end = new AbortController()
  // It tries for many seconds to reach a broker that is not there.
  const nowhere = { ...settings, KAFKA_BROKERS: ['127.0.0.1:1'] }
  await using child = startChild({
    file: 'bench/decode-only.ts',
    args: ['1'],
    settings: nowhere,
    signal: end.signal,
  })
  const began = performance.now()
  end.abort(new Error('interrupted'))
  await assert.rejects(child.died, /interrupted/)
  assert.ok(performance.now() - began < 1000)
})

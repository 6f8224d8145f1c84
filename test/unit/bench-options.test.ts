import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { CommanderError } from 'commander'
import { command } from '../../bench/command.ts'

/** What a benchmark would run with, given these arguments. */
function parsed(name: string, ...args: string[]) {
  const found = command().commands.find((c) => c.name() === name)!
  let options: object | null = null
  found
    .exitOverride()
    .configureOutput({ writeErr: () => {} })
    .action((given: object) => {
      options = { ...given }
    })
    .parse(args, { from: 'user' })
  return options
}

test('without options an outage lasts two minutes, with a million records and a heap of 256 MB', () => {
  assert.deepEqual(parsed('outage'), { seconds: 120, records: 1_000_000, heapMb: 256, seed: 1 })
})

test('all of the outage can be chosen', () => {
  assert.deepEqual(
    parsed('outage', ...'--seconds 10 --records 50_000 --heap-mb 128 --seed 0 --json'.split(' ')),
    { seconds: 10, records: 50_000, heapMb: 128, seed: 0, json: true },
  )
})

test('without options the stages are those of a million accounts', () => {
  assert.deepEqual(parsed('stages'), { accounts: 1_000_000, records: 300_000 })
  assert.deepEqual(parsed('stages', '--accounts', '50_000', '--json'), {
    accounts: 50_000,
    records: 300_000,
    json: true,
  })
})

test('what is no whole number, or too small to work, is refused with what is expected', () => {
  for (const args of ['--seconds 0', '--records 1.5', '--heap-mb 16', '--seed -1', '--seconds ten']) {
    assert.throws(
      () => parsed('outage', ...args.split(' ')),
      (error: CommanderError) => /Expected a whole number from \d+ on/.test(error.message),
      args,
    )
  }
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { CommanderError } from 'commander'
import { QUICK } from '../../bench/all.ts'
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

test('without options the latency is that of four rates, each for a minute', () => {
  const defaults = { rates: [1000, 10_000, 20_000, 50_000], seconds: 60, warmUpSeconds: 20, runs: 1 }
  assert.deepEqual(parsed('latency'), { ...defaults, accounts: 50_000 })
  assert.deepEqual(parsed('latency', ...'--rates 500,2_000 --warm-up-seconds 0'.split(' ')), {
    ...defaults,
    rates: [500, 2000],
    warmUpSeconds: 0,
    accounts: 50_000,
  })
})

test('a list of rates with something else in it is refused', () => {
  for (const list of ['', '1000,', '1000;2000', '0', '1000,-5'])
    assert.throws(() => parsed('latency', '--rates', list), /Expected a whole number from 1 on/, list)
})

test('growth takes lists, none of them, and one kind of ids', () => {
  assert.deepEqual(parsed('growth'), {
    rows: [0, 10_000_000, 50_000_000],
    ids: 'both',
    accounts: [10_000, 100_000, 1_000_000],
    records: 500_000,
    runs: 3,
  })
  const given = parsed('growth', ...'--rows 0,1_000 --accounts none --ids uuid --keep'.split(' '))
  assert.deepEqual(given, {
    rows: [0, 1000],
    ids: 'uuid',
    accounts: [],
    records: 500_000,
    runs: 3,
    keep: true,
  })
})

test('scale takes numbers of workers and of partitions', () => {
  assert.partialDeepStrictEqual(parsed('scale', '--workers', '3,1'), {
    workers: [3, 1],
    partitions: [6, 12, 48, 192],
  })
})

test('each benchmark can be kept, and has a quick form for a look at all of them', () => {
  const names = command()
    .commands.map((c) => c.name())
    .filter((name) => name !== 'all')
  assert.deepEqual(Object.keys(QUICK).sort(), names.toSorted())
  for (const name of names) {
    assert.partialDeepStrictEqual(parsed(name, '--keep', ...QUICK[name].split(' ')), { keep: true }, name)
  }
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

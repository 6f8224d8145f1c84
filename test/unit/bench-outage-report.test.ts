import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  faultOf,
  type Ledger,
  type Outage,
  type OutageContext,
  renderOutage,
  reportOutage,
} from '../../bench/outage-report.ts'

const context: OutageContext = {
  seed: 7,
  records: 1_000_000,
  accounts: 50_000,
  heap_mb: 256,
  lanes: 3,
  partitions: 6,
  machine: {
    platform: 'linux x64',
    cores: 2,
    cpu: 'Some CPU',
    memory_gib: 24,
    node: '24.21.0',
    postgres: '18.4',
    kafka: '4.1.1',
    load_before: 0.5,
  },
}

const outage: Outage = {
  phases: {
    before: { first_mb: 240.04, peak_mb: 250.06, last_mb: 248, handles: 31 },
    away: { first_mb: 249, peak_mb: 252, last_mb: 251, handles: 28 },
    'catching up': { first_mb: 251, peak_mb: 301, last_mb: 299, handles: 30 },
  },
  peak_rss_mb: 302.16,
  input_before: 20_000,
  tps_before: 19_900,
  input_away: 8333,
  seconds_away: 120.4,
  log_lines_away: 15,
  backlog: 1_002_345,
  first_commit_after_s: 0.8,
  catch_up_seconds: 16.7,
  catch_up_tx_per_second: 60_021,
  catch_up_cpu_us: 6.5,
}

const whole: Ledger = { acknowledged: 1_200_000, dead_letters: 0, rows: 1_200_000, distinct: 1_200_000 }

test('when every record is a row, once, nothing is lost and there is no fault', () => {
  const report = reportOutage(context, outage, whole)
  assert.deepEqual([report.rows_checked, report.lost, report.duplicated], [1_200_000, 0, 0])
  assert.equal(faultOf(report), null)
})

test('a record that is missing is a fault, also when another one is there twice', () => {
  const report = reportOutage(context, outage, { ...whole, distinct: 1_199_999 })
  assert.deepEqual([report.lost, report.duplicated], [1, 1])
  assert.equal(
    faultOf(report),
    '1 of 1,200,000 acknowledged records are not stored; 1 rows are stored more than once',
  )
})

test('a dead letter is not lost, but a fault: all records are valid', () => {
  const rows = 1_199_998
  const report = reportOutage(context, outage, { ...whole, dead_letters: 2, rows, distinct: rows })
  assert.equal(report.lost, 0)
  assert.equal(faultOf(report), '2 valid records became dead letters')
})

test('more rows than were acknowledged are a fault, too', () => {
  const rows = 1_200_001
  const fault = faultOf(reportOutage(context, outage, { ...whole, rows, distinct: rows }))
  assert.match(String(fault), /^-1 of 1,200,000 acknowledged/)
})

test('the JSON has the keys that other programs read, memory to a tenth of a MB', () => {
  const report = JSON.parse(JSON.stringify(reportOutage(context, outage, whole)))
  const expected = {
    seed: 7,
    records: 1_000_000,
    seconds_away: 120.4,
    heap_mb: 256,
    backlog: 1_002_345,
    peak_rss_mb: 302.2,
    rss_before_mb: 248,
    peak_rss_away_mb: 252,
    rss_away_end_mb: 251,
    peak_rss_catching_up_mb: 301,
    handles_before: 31,
    handles_away: 28,
    handles_catching_up: 30,
    tps_before: 19_900,
    first_commit_after_s: 0.8,
    catch_up_tx_per_second: 60_021,
    acknowledged: 1_200_000,
    dead_letters: 0,
    rows_checked: 1_200_000,
    lost: 0,
    duplicated: 0,
    log_lines_away: 15,
  }
  for (const [key, value] of Object.entries(expected)) assert.equal(report[key], value, key)
  assert.equal(report.phases.before.peak_mb, 250.1)
  assert.equal(report.machine.cores, 2)
})

test('the text has a line a phase and one sentence with the backlog, the memory, the rate and the machine', () => {
  const text = renderOutage(reportOutage(context, outage, whole))
  assert.match(text, /^ +before +20,000 +19,900 +250 MB +248 MB +31$/m)
  assert.match(text, /^ +away +8,333 +0 +252 MB +251 MB +28$/m)
  assert.match(text, /^ *catching up +0 +60,021 +301 MB +299 MB +30$/m)
  assert.match(
    text,
    /^PostgreSQL away for 120\.4 s .*: 1,002,345 records waited, at most 302 MB resident with 256 MB for V8's heap; first commit 0\.8 s after it answered again, then 60,021 tx\/s until nothing waited, 16\.7 s \(1,200,000 rows checked, 0 lost, 0 twice; 2 cores of Some CPU, /m,
  )
  assert.match(text, /^15 lines logged while it was away\./m)
  assert.match(text, /^No input comes while it catches up\./m)
})

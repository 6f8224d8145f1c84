import assert from 'node:assert/strict'
import { randomInt } from 'node:crypto'
import { test } from 'node:test'
import { STATUSES, type Status } from '../../schemas/transaction.ts'
import { json } from '../unit/api-app.ts'
import { ANOMALIES, open } from './api-rows.ts'
import { runCommand } from './commands.ts'

/** Two analysts at once, so often. `RACES=1000 npm test -- api-races` runs a thousand of them: some 20 s. */
const RACES = Number(process.env.RACES ?? 200)
assert.ok(
  Number.isInteger(RACES) && RACES >= 10,
  `RACES: got ${process.env.RACES}; expected a number from 10 on`,
)

test(`of two analysts at once each gets 200 or 409, nothing is overwritten unseen, and the chain is whole: ${RACES} races`, async (t) => {
  const { call, put, audit, url } = await open(t, [{ id: 'T' }], {
    env: { RATE_LIMIT_WRITE: '100000', RATE_LIMIT_READ: '100000' },
  })
  const seen = async () => {
    const answer = await call('GET', `${ANOMALIES}/T`)
    return { etag: answer.headers.get('etag')!, status: (await json(answer)).status as Status }
  }
  const changes: { from: Status; to: Status }[] = []
  const counts = { refused: 0, in_turn: 0, nothing: 0 }
  for (let race = 0; race < RACES; race++) {
    const before = await seen()
    const wanted = [STATUSES[randomInt(STATUSES.length)], STATUSES[randomInt(STATUSES.length)]]
    const answers = await Promise.all(
      wanted.map(async (new_status, i) => {
        // So that all orders come up: the second begins with the first, or while it is anywhere on its way.
        if (i === 1) for (let turns = randomInt(40); turns > 0; turns--) await new Promise(setImmediate)
        return put('T', { new_status }, { 'If-Match': before.etag })
      }),
    )
    // What a caller is told to have changed is what was changed, from the status that he had seen.
    const changed = wanted.filter((status, i) => answers[i].status === 200 && status !== before.status)
    assert.ok(changed.length <= 1, `both changed what they had seen: ${wanted}`)
    for (const answer of answers) assert.ok([200, 409].includes(answer.status), `${answer.status}`)
    if (changed.length === 1) changes.push({ from: before.status, to: changed[0] })
    const refused = answers.filter(({ status }) => status === 409).length
    // Nobody is refused unless somebody else changed it.
    assert.ok(refused === 0 || changed.length === 1)
    assert.equal((await seen()).status, changed[0] ?? before.status)
    counts[refused > 0 ? 'refused' : changed.length === 1 ? 'in_turn' : 'nothing']++
  }
  t.diagnostic(JSON.stringify(counts))
  assert.ok(counts.refused > RACES / 10, 'hardly a race was one')
  const entries = await audit()
  assert.deepEqual(
    entries.map(({ previous_status, new_status }) => ({ from: previous_status, to: new_status })),
    changes,
  )
  const verified = await runCommand(url, 'audit', 'verify', '--json')
  assert.equal(verified.code, 0, verified.out)
  assert.equal(verified.json().rows, changes.length)
})

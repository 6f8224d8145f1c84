import assert from 'node:assert/strict'
import { tmpdir } from 'node:os'
import { test } from 'node:test'
import type { LabelledTransaction } from '../../pipeline/features/labelled.ts'
import { forestLearner, lightgbmLearner } from '../../pipeline/train/learners.ts'
import type { Transaction } from '../../schemas/transaction.ts'
import { judge, ownership } from '../support/batches.ts'
import { DAY, NOON, transaction } from '../support/transactions.ts'

const dayOf = (day: number, is_fraud: boolean | null): Transaction =>
  transaction({ timestamp: NOON + day * DAY, is_fraud })

test('LightGBM learns from no transaction whose label is not known, be it unlabelled or too young', async () => {
  const options = { seed: 1, cache: tmpdir(), say() {}, signal: new AbortController().signal }
  const learner = lightgbmLearner((time) => time >= NOON + DAY, ['amount'], options)
  const owner = ownership()
  learner.take(judge([dayOf(0, false), dayOf(1, true), dayOf(2, true)], { owner }))
  learner.take(judge([dayOf(3, true), dayOf(4, null), dayOf(5, false)], { owner }))
  // One kind alone is left: it says of how many, before it asks for Python.
  await assert.rejects(learner.train(NOON + 3 * DAY), /of 3 transactions whose label is known, 3 are frauds/)
})

test('LightGBM learns by what was said in time: no label that became known later, be it the last one', async () => {
  const options = { seed: 1, cache: tmpdir(), say() {}, signal: new AbortController().signal }
  const start = NOON + 30 * DAY
  const said = (labels: LabelledTransaction['labels'], source_label: boolean | null = null) =>
    ({ ...dayOf(1, labels!.at(-1)![0]), labels, source_label }) as LabelledTransaction
  const learner = lightgbmLearner(() => true, ['amount'], options, start)
  learner.take(
    judge([
      said([[false, start - 1]]),
      said([[true, start]]), // not known yet: nothing is
      said([[true, start]], false), // its source's word
      said([
        [false, start - 1],
        [true, start],
      ]), // the earlier word
      said([
        [true, start - 2],
        [null, start - 1],
      ]), // taken back: nothing is known
    ]),
  )
  await assert.rejects(learner.train(), /of 3 transactions whose label is known, 0 are frauds/)
})

test('an isolation forest learns from all, labelled or not, and tells from when to when', async () => {
  const learner = forestLearner((time) => time < NOON + 400 * DAY, 1)
  const days = Array.from({ length: 500 }, (_, day) => dayOf(day, null))
  learner.take(judge(days))
  const artifact = await learner.train()
  assert.equal(artifact.metrics.transactions, 400)
  assert.equal(artifact.trained_from, new Date(NOON).toISOString())
  assert.equal(artifact.trained_to, new Date(NOON + 399 * DAY).toISOString())
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { query } from '../harness.ts'
import { logIn, picture, site } from './pages.ts'
import { FEATURE_VALUES, MODEL_REASON } from './rows.ts'

test('one anomaly tells why it was flagged in people’s words, is decided with a note, and has its history', async (t) => {
  const here = await site(t, [{ id: 'T', score: 0.91, amount: '18357.9600', reasons: [MODEL_REASON] }])
  await query(here.url, 'UPDATE transactions SET features = $1', [JSON.stringify(FEATURE_VALUES)])
  const { page, faults } = await here.open()
  await logIn(page, here)
  await page.getByRole('link', { name: MODEL_REASON.message }).click()
  await page.getByRole('heading', { name: '18,357.96 EUR' }).waitFor()
  const features = page.locator('.features')
  const text = (await features.innerText()).toLowerCase()
  assert.match(text, /amount, compared with the usual one\s+306 times/)
  assert.match(text, /away from home\s+yes/)
  // The bare names are for who asks, by pointing at one.
  assert.doesNotMatch(text, /\w_\w/)
  assert.equal(await features.locator('dt[title=amount_ratio]').count(), 1)

  await page.getByLabel('Note, kept with the decision').fill('Called: not me.')
  await picture(page, 'detail')
  await page.getByRole('button', { name: 'Fraud' }).click()
  await page.getByText('Called: not me.').waitFor()
  await page.getByText(/API_KEY, session /).waitFor()
  assert.equal(await here.statusOf('T'), 'FRAUD')
  await picture(page, 'detail-decided')
  await page.getByRole('link', { name: 'Queue' }).click()
  await page.getByText('Nothing waits for a decision.').waitFor()
  assert.deepEqual(faults, [])
})

test('a double click decides once and leads to no fault', async (t) => {
  const here = await site(t, [{ id: 'T' }])
  const { page, faults } = await here.open()
  await logIn(page, here)
  await page.getByRole('link', { name: 'The amount is high.' }).click()
  await page.getByRole('button', { name: 'Dismiss' }).dblclick()
  await page.getByText(/API_KEY, session /).waitFor()
  assert.equal(await page.locator('.history li').count(), 1)
  assert.equal(await here.statusOf('T'), 'DISMISSED')
  assert.deepEqual(faults, [])
})

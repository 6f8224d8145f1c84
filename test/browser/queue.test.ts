import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Page } from 'playwright-core'
import { createKey } from '../../api/auth/key-changes.ts'
import type { Scope } from '../../api/context.ts'
import { until } from '../harness.ts'
import { insert } from '../integration/api-rows.ts'
import { connectedQuery } from '../integration/queries.ts'
import { focusedRow, idsOf, logIn, picture, site, untilRows } from './pages.ts'

/** A queue of five, in this order. */
const ROWS = ['a', 'b', 'c', 'd', 'e'].map((id, i) => ({ id, score: 0.95 - i / 50 }))
const IDS = ROWS.map(({ id }) => id)

/** A queue in front of somebody who is logged in. */
async function queue(t: TestContext) {
  const here = await site(t, ROWS)
  const { page, faults } = await here.open()
  await logIn(page, here)
  await untilRows(page, IDS)
  return { ...here, page, faults }
}

test('a wrong key is told, a right one leads to the queue, the riskiest first', async (t) => {
  const here = await site(t, ROWS)
  const { page, faults } = await here.open()
  await page.goto(here.address)
  await picture(page, 'login')
  await page.getByLabel('API key').fill('not-the-key-at-all')
  await page.getByRole('button', { name: 'Log in' }).click()
  await page.getByText('This key is not known.').waitFor()
  await picture(page, 'login-wrong')
  // The browser itself writes the status of the page into the console.
  assert.deepEqual(
    faults.splice(0).filter((fault) => !/status of 401/.test(fault)),
    [],
  )

  await logIn(page, here)
  await untilRows(page, IDS)
  await page.getByText(/^Live/).waitFor()
  await picture(page, 'queue')
  await page.getByRole('button', { name: 'Log out' }).click()
  await page.getByLabel('API key').waitFor()
  assert.deepEqual(faults, [])
})

test('keys walk and decide; the next row is then in focus', async (t) => {
  const { page, faults, statusOf } = await queue(t)
  await page.keyboard.press('j')
  assert.equal(await focusedRow(page), 'a')
  await page.keyboard.press('f')
  await untilRows(page, ['b', 'c', 'd', 'e'])
  assert.equal(await statusOf('a'), 'FRAUD')
  assert.equal(await focusedRow(page), 'b')
  await page.keyboard.press('j')
  await page.keyboard.press('d')
  await untilRows(page, ['b', 'd', 'e'])
  assert.equal(await statusOf('c'), 'DISMISSED')
  await page.keyboard.press('k')
  assert.equal(await focusedRow(page), 'b')
  await page.keyboard.press('i')
  await untilRows(page, ['d', 'e'])
  await picture(page, 'queue-after-keys')
  await page.keyboard.press('Enter')
  await page.getByRole('heading', { name: 'Decide' }).waitFor()
  assert.deepEqual(faults, [])
})

test('keys that follow one another quickly decide one row each', async (t) => {
  const { page, faults, statusOf } = await queue(t)
  await page.keyboard.press('j')
  for (const left of [4, 3, 2]) {
    await page.keyboard.press('f')
    await until(async () => (await idsOf(page)).length === left, { what: `${left} rows` })
  }
  const statuses = await Promise.all(IDS.map(statusOf))
  assert.deepEqual(statuses, ['FRAUD', 'FRAUD', 'FRAUD', 'NEW', 'NEW'])
  assert.deepEqual(faults, [])
})

test('a key that is held down decides once', async (t) => {
  const { page, faults, statusOf } = await queue(t)
  await page.keyboard.press('j')
  await page.keyboard.down('f')
  await untilRows(page, ['b', 'c', 'd', 'e'])
  // As a keyboard repeats it; the row in focus is another one by now.
  for (let i = 0; i < 5; i++) await page.keyboard.down('f')
  await page.keyboard.up('f')
  await sleep(1000)
  assert.deepEqual(await idsOf(page), ['b', 'c', 'd', 'e'])
  assert.equal(await statusOf('b'), 'NEW')
  assert.deepEqual(faults, [])
})

/** The middle of a row's button on the screen. */
async function placeOf(page: Page, id: string, button: string): Promise<[number, number]> {
  const box = await page.locator(`tr[data-key^="${id} "]`).getByRole('button', { name: button }).boundingBox()
  assert.ok(box !== null)
  return [box.x + box.width / 2, box.y + box.height / 2]
}

test('the second click of a double click, after the list has moved, decides nothing; a later one does', async (t) => {
  const { page, faults, statusOf } = await queue(t)
  const [x, y] = await placeOf(page, 'a', 'Dismiss')
  await page.evaluate('stopClock()')
  await page.mouse.click(x, y)
  await untilRows(page, ['b', 'c', 'd', 'e'])
  assert.deepEqual(await placeOf(page, 'b', 'Dismiss'), [x, y], 'the next row has not come under the pointer')
  await page.evaluate('moveClock(200)')
  await page.mouse.click(x, y)
  await sleep(1000)
  assert.equal(await statusOf('b'), 'NEW')
  await page.evaluate('moveClock(400)')
  await page.mouse.click(x, y)
  await untilRows(page, ['c', 'd', 'e'])
  assert.equal(await statusOf('b'), 'DISMISSED')
  assert.deepEqual(faults, [])
})

test('the second click of a double click, before the answer is there, decides nothing', async (t) => {
  const { page, faults, statusOf } = await queue(t)
  let asked = 0
  const { promise: released, resolve: release } = Promise.withResolvers<void>()
  await page.route('**/status', async (route) => {
    asked++
    await released
    await route.continue()
  })
  const [x, y] = await placeOf(page, 'a', 'Fraud')
  await page.mouse.dblclick(x, y)
  await sleep(1000)
  release()
  await untilRows(page, ['b', 'c', 'd', 'e'])
  assert.equal(asked, 1)
  assert.deepEqual(await Promise.all([statusOf('a'), statusOf('b')]), ['FRAUD', 'NEW'])
  assert.deepEqual(faults, [])
})

test('in the list of all, where a row stays, a double click decides once', async (t) => {
  const { page, faults, address, statusOf } = await queue(t)
  await page.goto(`${address}/?status=ALL`)
  await untilRows(page, IDS)
  const [x, y] = await placeOf(page, 'a', 'Fraud')
  await page.evaluate('stopClock()')
  await page.mouse.click(x, y)
  await page.locator('tr[data-key^="a "] .badge', { hasText: 'Fraud' }).waitFor()
  // The buttons are others now, at the same places.
  await page.mouse.click(x, y)
  await sleep(1000)
  assert.equal(await statusOf('a'), 'FRAUD')
  assert.deepEqual(faults, [])
})

test('a new row leaves the focus where it is, and takes no click that was not meant for it', async (t) => {
  const { page, faults, url, statusOf } = await queue(t)
  const [x, y] = await placeOf(page, 'a', 'Fraud')
  await page.mouse.move(x, y)
  await page.evaluate('stopClock()')
  await insert(url, [{ id: 'new', score: 0.99 }])
  await untilRows(page, ['new', ...IDS])
  await page.mouse.click(x, y)
  await sleep(1000)
  assert.equal(await statusOf('new'), 'NEW')

  await page.locator('tr[data-key^="c "] a').focus()
  await insert(url, [{ id: 'newer', score: 0.999 }])
  await untilRows(page, ['newer', 'new', ...IDS])
  assert.equal(await focusedRow(page), 'c')
  assert.deepEqual(faults, [])
})

test('what somebody else has changed meanwhile is told, and stays', async (t) => {
  const { page, faults, statusOf } = await queue(t)
  await page.keyboard.press('j')
  await page.evaluate(`document.querySelector('tr[data-key] [name=version]').value = '1'`)
  await page.keyboard.press('f')
  await page.getByText('Somebody else changed this anomaly meanwhile').waitFor()
  await picture(page, 'queue-conflict')
  assert.equal(await statusOf('a'), 'NEW')
  assert.deepEqual(
    faults.filter((fault) => !/status of 409/.test(fault)),
    [],
  )
  const isFresh = `document.querySelector('tr[data-key] [name=version]').value !== '1'`
  await until(() => page.evaluate(isFresh), { what: 'the list to be fetched anew' })
  await page.keyboard.press('f')
  await until(async () => (await statusOf('a')) === 'FRAUD', { what: 'the decision' })
})

/** A key of the table. */
async function keyOf(t: TestContext, url: string, scopes: Scope[]): Promise<string> {
  const run = await connectedQuery(t, url)
  return (await createKey(run, { name: 'Test', scopes, expires_at: null }, 'test')).key
}

test('a key that may only read sees the queue without buttons, and why; its keys walk and decide nothing', async (t) => {
  const here = await site(t, ROWS)
  const { page, faults } = await here.open()
  await logIn(page, here, await keyOf(t, here.url, ['read']))
  await untilRows(page, IDS)
  await page.getByText('it lacks the scope triage').waitFor()
  assert.equal(await page.locator('[data-live] button').count(), 0)
  await page.keyboard.press('j')
  await page.keyboard.press('f')
  await sleep(1000)
  assert.equal(await here.statusOf('a'), 'NEW')
  assert.equal(await focusedRow(page), 'a')
  await picture(page, 'queue-read-only')
  await page.keyboard.press('Enter')
  await page.getByRole('heading', { name: 'Decide' }).waitFor()
  await page.getByText('it lacks the scope triage').waitFor()
  assert.equal(await page.getByRole('button', { name: 'Fraud' }).count(), 0)
  assert.deepEqual(faults, [])
})

test('without script the buttons are forms, and the page is fetched anew by itself', async (t) => {
  const here = await site(t, ROWS)
  const { page } = await here.open({ javaScriptEnabled: false })
  await logIn(page, here)
  await page.locator('tr[data-key^="a "]').getByRole('button', { name: 'Fraud' }).click()
  await until(async () => (await here.statusOf('a')) === 'FRAUD', { what: 'the decision' })
  await page.locator('tr[data-key^="a "]').waitFor({ state: 'detached' })
  assert.equal(await page.locator('tr[data-key]').count(), 4)
  assert.equal(await page.locator('noscript meta[http-equiv=refresh], meta[http-equiv=refresh]').count(), 1)
})

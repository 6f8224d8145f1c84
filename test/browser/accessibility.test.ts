import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import type { AxeResults } from 'axe-core'
import type { BrowserContextOptions, Page } from 'playwright-core'
import { createKey } from '../../api/auth/key-changes.ts'
import { query } from '../harness.ts'
import { connectedQuery } from '../integration/queries.ts'
import { logIn, picture, type Site, site } from './pages.ts'
import { FEATURE_VALUES, MODEL_REASON } from './rows.ts'

const WINDOWS: Record<string, BrowserContextOptions> = {
  wide: { viewport: { width: 1440, height: 900 } },
  'wide-dark': { viewport: { width: 1440, height: 900 }, colorScheme: 'dark' },
  laptop: { viewport: { width: 1280, height: 800 } },
  middle: { viewport: { width: 1000, height: 800 } },
  'middle-dark': { viewport: { width: 1000, height: 800 }, colorScheme: 'dark' },
  phone: { viewport: { width: 390, height: 844 } },
  'small-phone': { viewport: { width: 320, height: 640 } },
}

const STATUSES = ['NEW', 'NEW', 'NEW', 'INVESTIGATED', 'FRAUD', 'DISMISSED']
/** As long as they are in practice. */
const REASON =
  'Unusual for this account: 2,481 times the mean of 19.00 EUR of only 8 earlier transactions; in New York instead of ' +
  'Tampere; 2,867 standard deviations above the account’s mean of 19.00 EUR.'
const ROWS = STATUSES.map((status, i) => ({
  id: `T-${1041 + i}`,
  account: 'acc-t2d-004594',
  status,
  score: 0.97 - i / 20,
  amount: `${10 ** (i % 6)}.5000`,
  reasons: [{ ...MODEL_REASON }, { code: 'HIGH_AMOUNT', score: 0.72, message: REASON }],
}))

/** Where somebody looks, once he is logged in; a page that has to be there. */
const PLACES: Record<string, [path: string, text: string]> = {
  queue: ['/', 'Anomalies'],
  'queue-all': ['/?status=ALL&min_score=0.8', 'Anomalies'],
  'queue-empty': ['/?status=NEW&min_score=0.95&offset=50', 'Nothing on this page.'],
  'queue-none': ['/?min_score=0.95&status=INVESTIGATED', 'Nothing here with a score of 0.95 or more.'],
  detail: ['/anomalies/T-1041', 'Why it was flagged'],
  error: ['/anomalies/none', 'There is no anomaly with this id.'],
}

const AXE = fileURLToPath(import.meta.resolve('axe-core/axe.min.js'))

/** By how much the page is wider than the window, or the queue than the page. */
const OVER = `Math.max(document.documentElement.scrollWidth - innerWidth,
  ...[...document.querySelectorAll('.scroll:has(.queue)')].map((element) => element.scrollWidth - element.clientWidth))`

/** What axe-core finds, by its rule and where; and what is too wide. */
async function faultsOf(page: Page): Promise<string[]> {
  await page.addScriptTag({ path: AXE })
  const { violations } = (await page.evaluate('axe.run()')) as AxeResults
  const found = violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ target }) => target).join(', ')}`)
  const over = Number(await page.evaluate(OVER))
  return over > 0 ? [...found, `${over} pixels too wide`] : found
}

/** A browser that lets axe in, which the pages' policy does not. */
async function openFor(here: Site, options: BrowserContextOptions): Promise<Page> {
  return (await here.open({ ...options, bypassCSP: true })).page
}

for (const [name, options] of Object.entries(WINDOWS)) {
  test(`axe-core finds nothing, and nothing is wider than the window: ${name}`, async (t) => {
    const here = await site(t, ROWS)
    await query(here.url, 'UPDATE transactions SET features = $1', [JSON.stringify(FEATURE_VALUES)])
    const found: Record<string, string[]> = {}
    const page = await openFor(here, options)
    await page.goto(here.address)
    found.login = await faultsOf(page)
    await picture(page, `login-${name}`)
    await logIn(page, here)
    for (const [place, [path, text]] of Object.entries(PLACES)) {
      await page.goto(here.address + path)
      await page.getByText(text).first().waitFor()
      await picture(page, `${place}-${name}`)
      found[place] = await faultsOf(page)
    }
    const run = await connectedQuery(t, here.url)
    const { key } = await createKey(run, { name: 'Reader', scopes: ['read'], expires_at: null }, 'test')
    const reader = await openFor(here, options)
    await logIn(reader, here, key)
    await picture(reader, `queue-read-only-${name}`)
    found['queue-read-only'] = await faultsOf(reader)
    for (const [place, faults] of Object.entries(found)) assert.deepEqual(faults, [], place)
  })
}

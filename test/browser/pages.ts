import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, type TestContext } from 'node:test'
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core'
import { startApi } from '../../api/main.ts'
import { createLogger } from '../../schemas/log.ts'
import { loadSettings } from '../../schemas/settings.ts'
import { freshDatabase, query, until } from '../harness.ts'
import { insert, type Row } from '../integration/api-rows.ts'
import { KEY } from '../unit/api-app.ts'

/** Pages of an API of their own in the browser that test/browser/run.ts has found. Code for the browser is text here. */

let browser: Promise<Browser> | undefined
after(async () => (await browser)?.close())

const theBrowser = (): Promise<Browser> =>
  (browser ??= chromium.launch({ executablePath: process.env.CHROMIUM }))

const MANY = '1000000000'
const WIDE = { width: 1440, height: 900 }

/** What a page says itself of what its policy forbids; the clock of its clicks can be stopped. */
const ON_BEGIN = `
  document.addEventListener('securitypolicyviolation', (event) =>
    console.error('forbidden by the policy: ' + event.violatedDirective + ' ' + event.blockedURI))
  {
    const now = performance.now.bind(performance)
    let stopped
    performance.now = () => stopped ?? now()
    window.stopClock = () => { stopped = now() }
    window.moveClock = (ms) => { stopped += ms }
  }`

export interface Site {
  address: string
  /** Of the database. */
  url: string
  statusOf(id: string): Promise<string>
  /** A page of a browser that knows nothing so far. */
  open(options?: BrowserContextOptions): Promise<OpenPage>
}

export interface OpenPage {
  page: Page
  /** What stands in the console as an error or a warning, and what was thrown. */
  faults: string[]
}

/** An API over a database with these rows. */
export async function site(t: TestContext, rows: Row[]): Promise<Site> {
  const url = await freshDatabase(t)
  await insert(url, rows)
  const settings = loadSettings(['DATABASE_URL'], {
    NODE_ENV: 'test',
    DATABASE_URL: url,
    API_KEY: KEY,
    PORT: '0',
    RATE_LIMIT_READ: MANY,
    RATE_LIMIT_WRITE: MANY,
  })
  const api = await startApi({ settings, log: createLogger('api', 'silent') })
  t.after(() => api.stop())
  return {
    address: api.url,
    url,
    async statusOf(id) {
      const text = 'SELECT status FROM transactions WHERE transaction_id = $1'
      return (await query<{ status: string }>(url, text, [id]))[0].status
    },
    open: (options) => openPage(t, options),
  }
}

async function openPage(t: TestContext, options: BrowserContextOptions = {}): Promise<OpenPage> {
  const context = await (await theBrowser()).newContext({ viewport: WIDE, ...options })
  t.after(() => context.close())
  context.setDefaultTimeout(15_000)
  const page = await context.newPage()
  await page.addInitScript({ content: ON_BEGIN })
  const faults: string[] = []
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) faults.push(message.text())
  })
  page.on('pageerror', (error) => faults.push(String(error)))
  return { page, faults }
}

/** Logs in by the form, and waits for the queue. */
export async function logIn(page: Page, { address }: Site, key = KEY): Promise<void> {
  await page.goto(address)
  await page.getByLabel('API key').fill(key)
  await page.keyboard.press('Enter')
  await page.getByRole('heading', { name: 'Anomalies' }).waitFor()
}

/** The ids of the queue's rows, from above. */
export const idsOf = (page: Page): Promise<string[]> =>
  page.evaluate(`[...document.querySelectorAll('tr[data-key]')].map((row) => row.dataset.key.split(' ')[0])`)

/** Waits until the queue has these rows, in this order. */
export async function untilRows(page: Page, ids: string[]): Promise<void> {
  let seen: string[] = []
  const isSo = async () => {
    seen = await idsOf(page)
    return seen.join() === ids.join()
  }
  await until(isSo, { what: `the rows ${ids}`, seconds: 15 }).catch(() => assert.deepEqual(seen, ids))
}

/** The id of the row in focus; null if there is none. */
export const focusedRow = (page: Page): Promise<string | null> =>
  page.evaluate(`document.activeElement.closest('tr[data-key]')?.dataset.key.split(' ')[0] ?? null`)

/** Writes a screenshot where somebody wants to look at them. */
export async function picture(page: Page, name: string): Promise<void> {
  const directory = process.env.SCREENSHOTS
  if (directory !== undefined) await page.screenshot({ path: join(directory, `${name}.png`), fullPage: true })
}

// Keeps the queue fresh without losing the reader's place, and lets decisions be taken by keys. Without it the
// page works all the same: forms post, and a meta refresh reloads.

const EVERY_MS = 5000
/** Between two refreshes that the server's events ask for: each counts as a read. */
const GAP_MS = 2000
/** Two clicks within so long may be meant as one. */
const DOUBLE_CLICK_MS = 500
const live = () => document.querySelector('[data-live]')
const rows = () => [...live().querySelectorAll('tr[data-key]')]
const rowOf = (key) => rows().find((row) => row.dataset.key === key)
const notice = document.getElementById('notice')
const state = document.getElementById('live')

/** Puts the fetched page's queue in the place of ours; scroll and focus stay on the row where they were. */
function swap(html) {
  const fresh = new DOMParser().parseFromString(html, 'text/html').querySelector('[data-live]')
  // The session is over: let the browser show the login.
  if (fresh === null) return location.reload()
  if (fresh.innerHTML === live().innerHTML) return
  const known = new Set(rows().map((row) => row.dataset.key))
  const place = remember()
  const before = underPointer()
  live().replaceWith(document.adoptNode(fresh))
  for (const row of rows()) row.classList.toggle('fresh', !known.has(row.dataset.key))
  added = rows().filter((row) => row.classList.contains('fresh')).length
  restore(place)
  const after = underPointer()
  if (after && after !== before) unsettledUntil = performance.now() + DOUBLE_CLICK_MS
}

// Where the pointer is, and until when its clicks do not count: another button has just come under it, which the second
// click of a double click, or one that was on its way, was not meant for.
const pointer = { x: -1, y: -1 }
let unsettledUntil = 0

for (const kind of ['pointermove', 'pointerdown'])
  document.addEventListener(kind, ({ clientX, clientY }) => Object.assign(pointer, { x: clientX, y: clientY }))

/** The button under the pointer, by its row and what it decides; nothing where there is none. */
function underPointer() {
  const button = document.elementFromPoint(pointer.x, pointer.y)?.closest('[data-live] button')
  return button && `${button.closest('tr').dataset.key} ${button.value}`
}

document.addEventListener(
  'click',
  (event) => {
    // A click by key, or by our shortcuts, has no count.
    const byPointer = event.detail > 0 && event.target.closest('[data-live] button')
    if (byPointer && performance.now() < unsettledUntil) event.preventDefault()
  },
  true,
)

function remember() {
  const focused = document.activeElement?.closest('tr[data-key]')
  const seen = focused ?? rows().find((row) => row.getBoundingClientRect().bottom > 0)
  return {
    anchor: seen?.dataset.key,
    top: seen?.getBoundingClientRect().top,
    focused: focused?.dataset.key,
    index: focused ? rows().indexOf(focused) : -1,
    press: document.activeElement?.dataset.keyPress,
  }
}

function restore(place) {
  const anchor = rowOf(place.anchor)
  // At the top of the page, with no row in work, the newest and riskiest should come into sight.
  if (anchor && (scrollY > 0 || place.focused)) scrollBy(0, anchor.getBoundingClientRect().top - place.top)
  if (place.focused === undefined) return
  const same = rowOf(place.focused)
  const row = same ?? rows()[Math.min(place.index, rows().length - 1)]
  const button = same && place.press ? same.querySelector(`[data-key-press="${place.press}"]`) : null
  const target = button ?? row?.querySelector('a')
  target?.focus({ preventScroll: row === same })
}

function tell(text) {
  notice.textContent = text
  notice.hidden = text === ''
}

function tellState(text, lost) {
  state.textContent = text
  state.classList.toggle('lost', lost)
  state.hidden = false
}

let refreshed = ''
let asked = 0
/** Rows that the last swap brought. */
let added = 0
// A refresh that was asked for before a decision must not undo what its answer shows.
let decisions = 0
/** Rows whose decision is on its way. */
const deciding = new Set()

async function refresh() {
  const before = decisions
  asked = Date.now()
  try {
    const answer = await fetch(location.href, { headers: { Accept: 'text/html' } })
    if (!answer.ok) throw new Error(`status ${answer.status}`)
    const html = await answer.text()
    added = 0
    if (before === decisions) swap(html)
    refreshed = new Date().toISOString().slice(11, 19)
    tellState(`Live, ${refreshed} UTC${added > 0 ? `, ${added} new` : ''}`, false)
  } catch {
    tellState(`No answer since ${refreshed || 'this page was opened'}; trying again`, true)
  }
}

let source = null
let due

/** The server tells what is new; where it cannot, as behind a proxy that holds events back, asking again has to do. */
function listen() {
  source?.close()
  if (document.hidden) return
  const score = new URLSearchParams(location.search).get('min_score') ?? '0'
  source = new EventSource(`/api/v1/stream?min_score=${encodeURIComponent(score)}`)
  for (const kind of ['anomaly', 'status', 'reset']) source.addEventListener(kind, refreshSoon)
}

function refreshSoon() {
  due ??= setTimeout(() => {
    due = undefined
    refresh()
  }, Math.max(0, asked + GAP_MS - Date.now()))
}

/** A decision without leaving the page; the answer is the queue after it. */
async function decide(form, button) {
  const row = form.closest('tr').dataset.key
  // Twice by a double click, or a key that bounced: it would be refused as somebody else's change.
  if (deciding.has(row)) return
  deciding.add(row)
  const body = new URLSearchParams(new FormData(form, button))
  const own = ++decisions
  try {
    const answer = await fetch(form.action, { method: 'POST', body, headers: { Accept: 'text/html' } })
    const html = await answer.text()
    if (answer.ok) {
      tell('')
      // The answer to a later decision shows what this one did, too.
      return own === decisions && swap(html)
    }
    tell(new DOMParser().parseFromString(html, 'text/html').getElementById('problem')?.textContent ?? 'It failed.')
    await refresh()
  } catch {
    tell('The decision was not sent: no connection. Try again.')
  } finally {
    deciding.delete(row)
  }
}

document.addEventListener('submit', (event) => {
  if (!event.target.matches('[data-live] form')) return
  event.preventDefault()
  decide(event.target, event.submitter)
})

document.addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return
  const row = document.activeElement?.closest('tr[data-key]')
  const step = { j: 1, ArrowDown: 1, k: -1, ArrowUp: -1 }[event.key]
  if (step !== undefined && (row || event.key === 'j')) {
    const next = rows()[row ? rows().indexOf(row) + step : 0]
    next?.querySelector('.c-reason a').focus()
    event.preventDefault()
  } else if (row && event.repeat && /^([a-z]|Enter)$/.test(event.key)) {
    // A key that is held down decides, or opens, once.
    event.preventDefault()
  } else if (row && /^[a-z]$/.test(event.key)) {
    row.querySelector(`[data-key-press="${event.key}"]`)?.click()
  }
})

document.getElementById('keys').hidden = false
tellState('Live', false)
setInterval(() => document.hidden || refresh(), EVERY_MS)
document.addEventListener('visibilitychange', () => {
  // A hidden page holds no connection: browsers open only six to a server.
  listen()
  document.hidden || refresh()
})
listen()

import { html } from 'hono/html'
import { STATUSES } from '../../schemas/transaction.ts'
import type { VersionedItem } from '../sql/items.ts'
import { assetPath } from './assets.ts'
import { DECISIONS, decideForm, detailPath, READ_ONLY } from './decide.ts'
import {
  channelWord,
  dayAndTime,
  mainReason,
  money,
  reasonsOf,
  scoreText,
  severity,
  statusWord,
} from './format.ts'
import { type Html, layout, scoreBar, statusBadge } from './layout.ts'

export interface QueueFilter {
  status: string
  min_score: number
  offset: number
}

interface QueuePage {
  filter: QueueFilter
  items: VersionedItem[]
  pageSize: number
  /** Whether there are items after these. */
  more: boolean
  /** Whether the caller's key has the scope for it. */
  mayDecide: boolean
}

const SCORES = [0, 0.8, 0.9, 0.95]

/** The address of the queue with a filter; what is as usual is left out. */
function queuePath({ status, min_score, offset }: QueueFilter): string {
  const query = new URLSearchParams()
  if (status !== 'NEW') query.set('status', status)
  if (min_score > 0) query.set('min_score', String(min_score))
  if (offset > 0) query.set('offset', String(offset))
  return query.size === 0 ? '/' : `/?${query}`
}

/** The analysts' queue. Its script swaps the element marked data-live every few seconds. */
export const queuePage = (page: QueuePage): Html =>
  layout({
    title: 'Anomalies',
    session: true,
    head: html`<script src="${assetPath('queue.js')}" defer></script><noscript><meta http-equiv="refresh" content="10"></noscript>`,
    body: html`<div class="heading"><h1>Anomalies</h1><p class="live" id="live" hidden></p></div>
${page.mayDecide ? '' : html`<p class="muted">${READ_ONLY}</p>`}
${filters(page.filter)}
<p class="notice" id="notice" role="status" hidden></p>
<div data-live>
${page.items.length === 0 ? nothing(page.filter) : table(page)}
${pager(page)}
</div>
${keys(page)}`,
  })

const filters = (filter: QueueFilter): Html => html`<div class="filters">
<nav aria-label="Status" class="tabs">${[...STATUSES, 'ALL'].map(
  (status) =>
    html`<a href="${queuePath({ ...filter, status, offset: 0 })}"${
      status === filter.status ? html` aria-current="page"` : ''
    }>${status === 'ALL' ? 'All' : statusWord(status)}</a>`,
)}</nav>
<nav aria-label="Least score" class="tabs"><span class="muted">Score</span>${SCORES.map(
  (min_score) =>
    html`<a href="${queuePath({ ...filter, min_score, offset: 0 })}"${
      min_score === filter.min_score ? html` aria-current="page"` : ''
    }>${min_score === 0 ? 'any' : html`≥ ${String(min_score)}`}</a>`,
)}</nav>
</div>`

const nothing = (filter: QueueFilter): Html => html`<div class="empty card">
<p><b>${nothingOf(filter)}</b></p>
<p class="muted">${wayOut(filter)}</p>
</div>`

function nothingOf({ status, min_score, offset }: QueueFilter): string {
  if (offset > 0) return 'Nothing on this page.'
  const what = status === 'NEW' ? 'Nothing waits for a decision' : 'Nothing here'
  return min_score > 0 ? `${what} with a score of ${min_score} or more.` : `${what}.`
}

function wayOut(filter: QueueFilter): Html {
  const { min_score, offset } = filter
  if (offset > 0) return html`<a href="${queuePath({ ...filter, offset: 0 })}">To the first page</a>`
  if (min_score > 0) return html`<a href="${queuePath({ ...filter, min_score: 0 })}">Show any score</a>`
  return html`New anomalies appear by themselves, the riskiest first.`
}

/** What the script's keys do; it shows this. */
const keys = ({ filter, mayDecide }: QueuePage): Html =>
  html`<p class="muted keys" id="keys" hidden><kbd>j</kbd> <kbd>k</kbd> next and previous row, <kbd>Enter</kbd> open it${
    mayDecide
      ? DECISIONS.filter(({ status }) => status !== filter.status).map(
          ({ key, word }) => html`, <kbd>${key}</kbd> ${word.toLowerCase()}`,
        )
      : ''
  }.</p>`

/** Whether rows may have different ones. */
const hasStatuses = ({ status }: QueueFilter): boolean => status === 'ALL'

const table = ({
  filter,
  items,
  mayDecide,
}: QueuePage): Html => html`<div class="scroll"><table class="queue">
<caption class="hidden">Anomalies, the riskiest first</caption>
<thead><tr><th scope="col">Score</th><th scope="col">Time (UTC)</th><th scope="col">Account</th><th scope="col" class="number">Amount</th><th scope="col">Merchant</th><th scope="col">Location</th><th scope="col">Main reason</th>${hasStatuses(filter) ? html`<th scope="col">Status</th>` : ''}${mayDecide ? html`<th scope="col"><span class="hidden">Decide</span></th>` : ''}</tr></thead>
<tbody>${items.map((item) => row(item, filter, mayDecide))}</tbody>
</table></div>`

function row(item: VersionedItem, filter: QueueFilter, mayDecide: boolean): Html {
  const { day, time } = dayAndTime(item.timestamp)
  const reason = mainReason(item)
  const others = reasonsOf(item).length - 1
  return html`<tr data-key="${item.transaction_id} ${item.timestamp}">
<td class="c-score">${scoreBar(item.score, severity(item.score), scoreText(item.score))}</td>
<td class="c-time"><time datetime="${item.timestamp}">${time}<small>${day}</small></time></td>
<td class="c-account cut" title="${item.account_id}">${item.account_id}</td>
<td class="c-amount number">${money(item.amount)} <small>${item.currency}</small></td>
<td class="c-merchant cut" title="${item.merchant_id ?? ''}">${item.merchant_id ?? '–'}<small>${item.merchant_category}</small></td>
<td class="c-location cut" title="${item.location}">${item.location || '–'}<small>${channelWord(item.channel)}</small></td>
<td class="c-reason"><a href="${detailPath(item, queuePath(filter))}" title="${reason}">${reason}</a>${others > 0 ? html` <small>+${others} more ${others === 1 ? 'reason' : 'reasons'}</small>` : ''}</td>
${hasStatuses(filter) ? html`<td class="c-status">${statusBadge(item.status ?? 'NEW', statusWord(item.status ?? 'NEW'))}</td>` : ''}
${mayDecide ? html`<td class="c-decide">${decideForm(item, queuePath(filter))}</td>` : ''}
</tr>`
}

function pager({ filter, items, pageSize, more }: QueuePage): Html {
  if (filter.offset === 0 && !more) return html``
  const at = (offset: number) => queuePath({ ...filter, offset: Math.max(0, offset) })
  const last = filter.offset + items.length
  return html`<nav class="pager" aria-label="Pages">
${filter.offset > 0 ? html`<a href="${at(filter.offset - pageSize)}">Riskier</a>` : html`<span></span>`}
<span class="muted">${items.length > 0 ? html`${filter.offset + 1} to ${last}` : ''}</span>
${more ? html`<a href="${at(filter.offset + pageSize)}">Less risky</a>` : html`<span></span>`}
</nav>`
}

import { html } from 'hono/html'
import type { Item, VersionedItem } from '../sql/items.ts'
import type { StatusEntry } from '../sql/statuses.ts'
import { decideForm, detailPath, READ_ONLY } from './decide.ts'
import { featureGroupsOf } from './features.ts'
import {
  channelWord,
  dayAndTime,
  money,
  reasonsOf,
  scoreText,
  severity,
  statusWord,
  words,
} from './format.ts'
import { type Html, layout, scoreBar, statusBadge } from './layout.ts'

interface DetailPage {
  item: VersionedItem
  history: StatusEntry[]
  /** The account's newest transactions; null when they could not be read in time. */
  timeline: Item[] | null
  /** The place in the queue that one came from, a path of this server. */
  back: string
  /** Whether the caller's key has the scope for it. */
  mayDecide: boolean
}

/** One anomaly: what happened, why it was flagged, what the account does otherwise, and the decision. */
export const detailPage = ({ item, history, timeline, back, mayDecide }: DetailPage): Html =>
  layout({
    title: `${money(item.amount)} ${item.currency}, account ${item.account_id}`,
    session: true,
    body: html`<p class="back"><a href="${back}">← Queue</a></p>
<div class="heading"><h1>${money(item.amount)} ${item.currency}</h1>${scoreBar(item.score, severity(item.score), scoreText(item.score))}${statusBadge(item.status ?? 'NEW', statusWord(item.status ?? 'NEW'))}</div>
<div class="columns">
<div>
${facts(item)}
${reasons(item)}
</div>
<div>
${decision(item, back, mayDecide)}
${historyCard(history)}
</div>
</div>
${account(item, timeline)}
${features(item)}`,
  })

function facts(item: VersionedItem): Html {
  const { day, time } = dayAndTime(item.timestamp)
  const entries: [string, string | Html][] = [
    ['Transaction', item.transaction_id],
    ['Time (UTC)', html`<time datetime="${item.timestamp}">${day}, ${time}</time>`],
    ['Account', item.account_id],
    ['Merchant', item.merchant_id ?? '–'],
    ['Category', item.merchant_category || '–'],
    ['Location', item.location || '–'],
    ['Channel', channelWord(item.channel)],
    ['Rules', item.rules_version],
    ['Model', item.model_version],
  ]
  return html`<section class="card"><h2>Transaction</h2><dl class="facts">${entries.map(
    ([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`,
  )}</dl></section>`
}

const reasons = (item: VersionedItem): Html => html`<section class="card"><h2>Why it was flagged</h2>
<ul class="reasons">${reasonsOf(item).map(
  (reason) => html`<li>
${typeof reason.score === 'number' ? scoreBar(reason.score, severity(reason.score), scoreText(reason.score)) : ''}
<span>${reason.message || words(reason.code)}<small>${reason.code}</small></span></li>`,
)}</ul></section>`

const decision = (
  item: VersionedItem,
  back: string,
  mayDecide: boolean,
): Html => html`<section class="card"><h2>Decide</h2>
${
  mayDecide
    ? decideForm(
        item,
        detailPath(item, back),
        html`<label for="note">Note, kept with the decision</label><textarea id="note" name="note" rows="3" maxlength="2000"></textarea>`,
      )
    : html`<p class="muted">${READ_ONLY}</p>`
}</section>`

const historyCard = (history: StatusEntry[]): Html => html`<section class="card"><h2>History</h2>
${history.length === 0 ? html`<p class="muted">No decision so far.</p>` : html`<ol class="history">${history.map(historyEntry)}</ol>`}
</section>`

function historyEntry(entry: StatusEntry): Html {
  const { day, time } = dayAndTime(entry.changed_at)
  return html`<li>${statusWord(entry.previous_status)} → <b>${statusWord(entry.new_status)}</b>
<small><time datetime="${entry.changed_at}">${day}, ${time} UTC</time> · ${entry.actor}</small>${entry.note ? html`<p>${entry.note}</p>` : ''}</li>`
}

function features(item: VersionedItem): Html {
  const groups = featureGroupsOf(item)
  if (groups.length === 0) return html``
  return html`<section class="card features"><h2>The account at that time</h2>
<p class="muted">Amounts here are in the base currency.</p>${groups.map(
    (group) =>
      html`<h3>${group.title}</h3><dl class="facts">${group.features.map(
        ({ name, label, text }) => html`<div><dt title="${name}">${label}</dt><dd>${text}</dd></div>`,
      )}</dl>`,
  )}</section>`
}

const account = (item: VersionedItem, timeline: Item[] | null): Html => html`<section class="card">
<h2>Newest transactions of ${item.account_id}</h2>
${timeline === null ? html`<p class="muted">The account’s transactions could not be read in time.</p>` : timelineTable(item, timeline)}
</section>`

const timelineTable = (
  item: VersionedItem,
  timeline: Item[],
): Html => html`<div class="scroll" role="region" aria-label="Newest transactions" tabindex="0"><table class="timeline">
<thead><tr><th scope="col">Time (UTC)</th><th scope="col" class="number">Amount</th><th scope="col">Merchant</th><th scope="col">Location</th><th scope="col">Channel</th><th scope="col">Score</th><th scope="col">Status</th></tr></thead>
<tbody>${timeline.map((entry) => timelineRow(entry, entry.transaction_id === item.transaction_id && entry.timestamp === item.timestamp))}</tbody>
</table></div>`

function timelineRow(entry: Item, current: boolean): Html {
  const { day, time } = dayAndTime(entry.timestamp)
  return html`<tr${current ? html` class="current" aria-current="true"` : ''}>
<td class="c-time"><time datetime="${entry.timestamp}">${day}, ${time}</time></td>
<td class="c-amount number">${money(entry.amount)} <small>${entry.currency}</small></td>
<td class="c-merchant">${entry.merchant_id ?? '–'} <small>${entry.merchant_category}</small></td>
<td class="c-location">${entry.location || '–'}</td>
<td class="c-channel">${channelWord(entry.channel)}</td>
<td class="c-score">${scoreText(entry.score)}</td>
<td class="c-status">${entry.status ? statusBadge(entry.status, statusWord(entry.status)) : ''}</td>
</tr>`
}

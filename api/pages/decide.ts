import { html } from 'hono/html'
import type { Status } from '../../schemas/transaction.ts'
import type { VersionedItem } from '../sql/items.ts'
import type { Html } from './layout.ts'

/** What an analyst may decide, with the key that the script gives to it. */
export const DECISIONS: readonly { status: Status; word: string; key: string }[] = [
  { status: 'INVESTIGATED', word: 'Investigate', key: 'i' },
  { status: 'FRAUD', word: 'Fraud', key: 'f' },
  { status: 'DISMISSED', word: 'Dismiss', key: 'd' },
  { status: 'NEW', word: 'Reopen', key: 'r' },
]

/** Why there are no buttons. */
export const READ_ONLY = 'Your key may look, not decide: it lacks the scope triage.'

/** @param back where its way back leads: the place in the queue, a path of this server */
export function detailPath({ transaction_id, timestamp }: VersionedItem, back: string): string {
  const query = new URLSearchParams({ timestamp, ...(back === '/' ? {} : { back }) })
  return `/anomalies/${encodeURIComponent(transaction_id)}?${query}`
}

/**
 * The buttons that change a status; plain form posts, so that they work without script.
 * @param back where to go afterwards, a path of this server
 * @param note a field for a note, if one is wanted
 */
export const decideForm = (item: VersionedItem, back: string, note?: Html): Html =>
  html`<form class="decide" method="post" action="/anomalies/${encodeURIComponent(item.transaction_id)}/status">
<input type="hidden" name="timestamp" value="${item.timestamp}">
<input type="hidden" name="version" value="${item.version}">
<input type="hidden" name="back" value="${back}">
${note ?? ''}
<span class="buttons">${DECISIONS.filter((d) => d.status !== item.status).map(
    (d) =>
      html`<button name="new_status" value="${d.status}" class="${d.status.toLowerCase()}" data-key-press="${d.key}">${d.word}</button>`,
  )}</span>
</form>`

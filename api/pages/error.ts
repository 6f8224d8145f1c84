import { html } from 'hono/html'
import { type Html, layout } from './layout.ts'

/** What went wrong, for somebody in front of a browser. */
export const errorPage = (status: number, title: string, detail: string): Html =>
  layout({
    title,
    body: html`<section class="card narrow">
<p class="muted">${status} · ${title}</p>
<h1 id="problem">${detail}</h1>
<p><a href="/">Back to the queue</a></p>
</section>`,
  })

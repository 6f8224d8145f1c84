import { html } from 'hono/html'
import { assetPath } from './assets.ts'

/** Escaped HTML; everything put into an html template is escaped unless it is one of these. */
export type Html = ReturnType<typeof html>

interface Page {
  title: string
  body: Html
  /** Whether somebody is logged in. */
  session?: boolean
  /** More elements of the head. */
  head?: Html
}

/** The frame of every page. */
export const layout = (page: Page): Html => html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${page.title} · Weir</title>
<link rel="stylesheet" href="${assetPath('weir.css')}">
<link rel="icon" href="${assetPath('weir.svg')}" type="image/svg+xml">
${page.head ?? ''}
</head>
<body>
<a class="skip" href="#main">Skip to content</a>
<header class="top">
<a class="brand" href="/"><img src="${assetPath('weir.svg')}" alt="" width="26" height="26">Weir</a>
${
  page.session ? html`<form method="post" action="/logout"><button class="quiet">Log out</button></form>` : ''
}
</header>
<main id="main">
${page.body}
</main>
</body>
</html>`

/** A score as a number and a bar; the bar says nothing that the number does not. */
export const scoreBar = (score: number, level: string, text: string): Html =>
  html`<span class="score ${level}"><b>${text}</b><svg viewBox="0 0 48 4" width="48" height="4" aria-hidden="true"><rect class="track" width="48" height="4" rx="2"/><rect class="bar" width="${Math.round(48 * score)}" height="4" rx="2"/></svg></span>`

export const statusBadge = (status: string, word: string): Html =>
  html`<span class="badge ${status.toLowerCase()}">${word}</span>`

import { html } from 'hono/html'
import { type Html, layout } from './layout.ts'

interface LoginPage {
  /** Why nobody may log in over this connection. */
  refusal?: string
  /** What was wrong with the last try. */
  fault?: string
}

export const loginPage = ({ refusal, fault }: LoginPage): Html =>
  layout({
    title: 'Log in',
    body: html`<section class="card narrow login">
<h1>Log in</h1>
${refusal ? html`<p class="notice" role="alert">${refusal}</p>` : form(fault)}
</section>`,
  })

const form = (
  fault: string | undefined,
): Html => html`<p class="muted">Enter your API key to open the queue of anomalies.</p>
<form method="post" action="/login" class="stack">
<input type="text" name="username" value="weir" autocomplete="username" hidden>
<label for="key">API key</label>
<input id="key" name="key" type="password" autocomplete="current-password" required autofocus maxlength="500"${
  fault ? html` aria-invalid="true" aria-describedby="fault"` : ''
}>
${fault ? html`<p class="fault" id="fault" role="alert">${fault}</p>` : ''}
<button class="primary">Log in</button>
</form>`

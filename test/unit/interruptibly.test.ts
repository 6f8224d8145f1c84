import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

const MODULE = fileURLToPath(new URL('../../schemas/interruptibly.ts', import.meta.url))

/** Runs the work in a process of its own; it prints `on` once signals may come. */
async function run(
  work: string,
  graceSeconds: number | undefined,
  signals: [NodeJS.Signals, number][],
  afterwards = '',
) {
  const script = `
    import { setTimeout as sleep } from 'node:timers/promises'
    import { interruptibly } from ${JSON.stringify(MODULE)}
    await interruptibly(async (signal, onGiveUp) => {
      onGiveUp(() => console.log('given up'))
      console.log('on')
      ${work}
    }, ${graceSeconds})
    console.log('done')
    ${afterwards}`
  const args = ['--import', 'tsx', '--input-type=module', '--eval', script]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  const output = text(child.stdout)
  const errors = text(child.stderr)
  await once(child.stdout, 'data')
  for (const [signal, waitMs] of signals) {
    await sleep(waitMs)
    child.kill(signal)
  }
  const [code] = await once(child, 'close')
  return { code, output: (await output).split('\n').slice(1, -1), errors: await errors }
}

const ABORTABLE = `await sleep(30_000, undefined, { signal })`
const STUBBORN = `await sleep(30_000)`

test('work that is interrupted ends by its signal, and the exit code tells which one it was', async () => {
  const byHand = await run(ABORTABLE, undefined, [['SIGINT', 0]])
  assert.deepEqual(byHand, { code: 130, output: ['done'], errors: '' })
  const stopped = await run(ABORTABLE, undefined, [['SIGTERM', 0]])
  assert.deepEqual(stopped, { code: 143, output: ['done'], errors: '' })
})

test('an error of the work is thrown, also after a signal', async () => {
  const broken = `${ABORTABLE}.catch(() => { throw new Error('broken') })`
  const { code, output, errors } = await run(broken, undefined, [['SIGINT', 0]])
  assert.notEqual(code, 0)
  assert.deepEqual(output, [])
  assert.match(errors, /broken/)
  const unasked = await run(`AbortSignal.abort().throwIfAborted()`, undefined, [])
  assert.match(unasked.errors, /AbortError/)
})

test('work that does not end is given up after the grace, or when a second signal comes', async () => {
  const late = await run(STUBBORN, 0.2, [['SIGINT', 0]])
  assert.deepEqual(late, { code: 130, output: ['given up'], errors: '' })
  const insisted = await run(STUBBORN, undefined, [
    ['SIGTERM', 0],
    ['SIGINT', 1100],
  ])
  assert.deepEqual(insisted, { code: 143, output: ['given up'], errors: '' })
})

test('a second signal while the process is ending is the same Ctrl-C, and one that insists ends it at once', async () => {
  const ending = `await sleep(1_500)`
  const same: [NodeJS.Signals, number][] = [
    ['SIGINT', 0],
    ['SIGINT', 100],
  ]
  const ended = `process.exitCode = 0; ${ending}; console.log('ended')`
  assert.deepEqual(await run(ABORTABLE, undefined, same, ended), {
    code: 0,
    output: ['done', 'ended'],
    errors: '',
  })
  const insisted: [NodeJS.Signals, number][] = [
    ['SIGINT', 0],
    ['SIGINT', 1100],
  ]
  assert.deepEqual(await run(ABORTABLE, undefined, insisted, `${ending}; console.log('ended')`), {
    code: 130,
    output: ['done'],
    errors: '',
  })
})

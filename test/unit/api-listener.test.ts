import assert from 'node:assert/strict'
import { EventEmitter, once } from 'node:events'
import { test } from 'node:test'
import type pg from 'pg'
import { listen } from '../../api/listener.ts'
import { createLogger } from '../../schemas/log.ts'

/** What `pg` does of a connection as far as it is used. */
class Connection extends EventEmitter {
  statements: string[] = []
  isEnded = false
  connect = async () => {}
  query = async (text: string) => void this.statements.push(text)
  end = async () => {
    this.isEnded = true
  }
}

test('a connection that cannot be made or is lost is made anew, told once, until the signal comes', async (t) => {
  const end = new AbortController()
  t.after(() => end.abort())
  const seen = new EventEmitter()
  const lines: string[] = []
  const made: Connection[] = []
  let faults = 3
  const running = listen({
    connect: () => {
      if (faults-- > 0) throw new Error('a URL that is none')
      made.push(new Connection())
      return made.at(-1) as unknown as pg.Client
    },
    listen: 'LISTEN news',
    onNews: () => seen.emit('news'),
    onListening: () => seen.emit('listening'),
    what: 'a test',
    log: createLogger('test', 'warn', { write: (line: string) => void lines.push(line) }),
    signal: end.signal,
  })
  await once(seen, 'listening')
  assert.equal(lines.length, 1)
  assert.match(lines[0], /a URL that is none.*a test: no notifications are heard/)
  assert.deepEqual(made[0].statements, ['LISTEN news'])
  const heard = once(seen, 'news')
  made[0].emit('notification')
  await heard

  const again = once(seen, 'listening')
  made[0].emit('error', new Error('cut'))
  await again
  assert.ok(made[0].isEnded)
  assert.equal(made.length, 2)

  end.abort()
  await running
  assert.ok(made[1].isEnded)
  assert.equal(made.length, 2)
})

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { downloadedBytes } from '../../deploy/local/download-progress.ts'
import { PortTaken, withFreePorts } from '../../deploy/local/free-ports.ts'
import { cacheDirectory } from '../../schemas/cache-directory.ts'

describe('free ports', () => {
  test('are all different, and those of the last start when they are free', async () => {
    const first = await withFreePorts(3, undefined, async (ports) => ports)
    assert.equal(new Set(first).size, 3)
    assert.deepEqual(await withFreePorts(3, first, async (ports) => ports), first)
  })

  test('are others than a port in use', async () => {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as { port: number }
    const [got] = await withFreePorts(1, [port], async (ports) => ports)
    assert.notEqual(got, port)
    server.close()
  })

  test('are chosen again after a lost race, three times in all', async () => {
    let tries = 0
    const loses = async () => {
      tries++
      throw new PortTaken('taken')
    }
    await assert.rejects(withFreePorts(1, undefined, loses), PortTaken)
    assert.equal(tries, 3)
  })

  test('are not chosen again after another failure', async () => {
    let tries = 0
    const fails = async () => {
      tries++
      throw new Error('broken')
    }
    await assert.rejects(withFreePorts(1, undefined, fails), /broken/)
    assert.equal(tries, 1)
  })
})

describe('the progress of a download', () => {
  const DONE = 'Downloaded from central: https://repo.example/a.jar (1.5 MB at 3 MB/s)\n'

  for (const [what, output, bytes] of [
    ['nothing yet', '', 0],
    ['one file that is done', DONE, 1_500_000],
    ['one that is under way', 'Progress (1): 0.5/10 MB\r', 500_000],
    [
      'the last state of two under way',
      'Progress (1): 0.5/10 MB\rProgress (2): 2.0/10 MB | 41/509 kB\r',
      2_041_000,
    ],
    ['one done and one under way', `${DONE}Progress (1): 400 kB\r`, 1_900_000],
    ['one that has just been done', `Progress (1): 1.4/1.5 MB\r${DONE}`, 1_500_000],
  ] as const) {
    test(`counts ${what}`, () => assert.equal(downloadedBytes(output), bytes))
  }
})

test('the cache directory is the one that is set', () => {
  assert.equal(cacheDirectory('/somewhere/else'), '/somewhere/else')
  assert.match(cacheDirectory(undefined), /weir$/)
})

test('the cache directory is where the platform keeps caches, unless it is set', (t) => {
  if (process.platform === 'darwin') return t.skip()
  const { XDG_CACHE_HOME } = process.env
  t.after(() => {
    if (XDG_CACHE_HOME === undefined) delete process.env.XDG_CACHE_HOME
    else process.env.XDG_CACHE_HOME = XDG_CACHE_HOME
  })
  process.env.XDG_CACHE_HOME = '/caches'
  assert.equal(cacheDirectory(undefined), '/caches/weir')
  assert.equal(cacheDirectory('/somewhere/else'), '/somewhere/else')
  process.env.XDG_CACHE_HOME = ''
  assert.equal(cacheDirectory(undefined), join(homedir(), '.cache', 'weir'))
})

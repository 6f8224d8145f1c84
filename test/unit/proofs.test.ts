import assert from 'node:assert/strict'
import { existsSync, globSync, readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'

/** docs/security-proofs.md names tests by file and by words of their titles: all of them must be there. */

const root = fileURLToPath(new URL('../../', import.meta.url))
const read = (path: string): string => readFileSync(`${root}${path}`, 'utf8')
const { scripts } = JSON.parse(read('package.json'))
const checks = new Set(
  [
    .../const CHECKS[^{]*\{([^}]*)\}/
      .exec(read('test/deploy/run.ts'))![1]
      .matchAll(/^ {2}'?([\w-]+)'?[,:]/gm),
  ].map(([, name]) => name),
)

interface Row {
  promise: string
  /** The cell, without its code spans. */
  tests: string
  code: string[]
  links: string[]
  shows: string
}

const rows: Row[] = [...read('docs/security-proofs.md').matchAll(/^\| (.*) \|$/gm)]
  .map(([, line]) => line.split(/(?<!\\) ?\| /))
  .filter(([first]) => !/^(promise|asked|-)/.test(first))
  .map(([promise, shownBy, shows = '']) => ({
    promise,
    tests: shownBy.replaceAll(/`[^`]*`|\[[^\]]*\]\([^)]*\)/g, ''),
    code: [...shownBy.matchAll(/`([^`]*)`/g)].map(([, code]) => code),
    links: [...shownBy.matchAll(/\]\(([^)#]*)(?:#[^)]*)?\)/g)].map(([, link]) => link),
    shows,
  }))

/** Files of tests by the name that they go by; `browser, queue` is in test/browser. */
const filesOf = (name: string, folder: string): string[] =>
  globSync(`test/${folder}/${name}.test.ts`, { cwd: root })

/** `name: "words", "words"` parts of a cell; one without a name goes on with the last one. */
function* named({ tests }: Row): Generator<{ files: string[]; words: string[]; part: string }> {
  let files: string[] = []
  for (const part of tests.split(/;(?=(?:[^"]*"[^"]*")*[^"]*$)/)) {
    const names = part.replaceAll(/"[^"]*"|\([^)]*\)/g, '')
    const isBrowser = /^\s*browser\b/.test(names)
    const folder = isBrowser ? 'browser' : '{unit,integration,deploy,faults}'
    const found = [...names.matchAll(/[a-z][a-z0-9-]*/g)].flatMap(([name]) => filesOf(name, folder))
    if (found.length > 0) files = found
    else if (isBrowser) files = filesOf('*', 'browser')
    else if (/[a-z]/.test(names)) files = []
    yield { files, words: [...part.matchAll(/"([^"]*)"/g)].map(([, words]) => words), part: part.trim() }
  }
}

describe('docs/security-proofs.md', () => {
  test('is read', () => assert.ok(rows.length > 100, String(rows.length)))

  for (const row of rows)
    test(`names what there is: ${row.promise}`, () => {
      for (const { files, words: each, part } of named(row)) {
        if (each.length > 0) assert.ok(files.length > 0, `no test is named: ${part}`)
        const text = files.map(read).join('\n').toLowerCase()
        // What is left out, by `…`, may be made when the test runs.
        for (const words of each.flatMap((quoted) => quoted.split('…')))
          assert.ok(text.includes(words.trim().toLowerCase()), `${part}: no test has ${words}`)
      }
      for (const code of row.code) {
        const [, script, only] = /^npm run ([\w:-]+)(?: -- --only ([\w,-]+))?/.exec(code) ?? []
        if (script !== undefined) assert.ok(script in scripts, code)
        for (const name of only?.split(',') ?? []) assert.ok(checks.has(name), code)
      }
      for (const link of row.links) assert.ok(existsSync(`${root}docs/${link}`), link)
      const isShown =
        [...named(row)].some(({ files }) => files.length > 0) || row.code.length + row.links.length > 0
      assert.ok(isShown || /not built/.test(row.shows), 'nothing shows it')
    })
})

import { spawnSync } from 'node:child_process'
import { cpSync, globSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, extname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Command } from 'commander'

/**
 * `npm run build`: what production runs. tsc turns each .ts file into a .js file at the same place under dist/, and the files
 * that are read beside the code are copied. No bundle: a stack trace names the file that one knows.
 */

const root = fileURLToPath(new URL('..', import.meta.url))
/** Folders whose files are read at run time, by the code beside them. */
const FOLDERS = ['api', 'pipeline', 'schemas', 'deploy/backup', 'deploy/local', 'deploy/roles']
const NOT_READ = ['.ts', '.md', '.pyc']
/** What only a checkout can run: it starts tsx, or needs packages of development. */
const LEFT_OUT = ['bench']

new Command('npm run build --')
  .description('Compile Weir into dist/, which runs without tsx, typescript and optional packages.')
  .option('--out <directory>', 'where to', 'dist')
  .addHelpText('after', '\nThen: npm ci --omit=dev --ignore-scripts, and node dist/deploy/weir.js <command>.')
  .action(({ out }: { out: string }) => build(resolve(root, out)))
  .parse()

function build(out: string): void {
  rmSync(out, { recursive: true, force: true })
  const tsc = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin', 'tsc')
  const { status } = spawnSync(process.execPath, [tsc, '-p', 'tsconfig.build.json', '--outDir', out], {
    cwd: root,
    stdio: 'inherit',
  })
  if (status !== 0) {
    process.exitCode = 1
    return
  }
  for (const name of LEFT_OUT) rmSync(join(out, name), { recursive: true, force: true })
  for (const file of filesBesideCode()) cpSync(join(root, file), join(out, file))
}

function filesBesideCode(): string[] {
  const patterns = FOLDERS.map((folder) => `${folder}/**/*.*`)
  return globSync(patterns, { cwd: root }).filter((file) => !NOT_READ.includes(extname(file)))
}

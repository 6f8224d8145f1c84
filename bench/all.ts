import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { Command, Option } from 'commander'
import { interruptibly, progress } from './command-parts.ts'

/** Seconds of each benchmark, to see that all of them work here: the figures mean nothing. */
export const QUICK: Record<string, string> = {
  throughput: '--records 50000 --runs 1',
  recovery: '--accounts 5000 --records 20000 --runs 1',
  outage: '--seconds 5 --records 20000',
  latency: '--rates 1000 --seconds 5 --warm-up-seconds 1',
  stages: '--accounts 1000 --records 10000',
  growth: '--rows 0,100000 --accounts 10000 --records 50000 --runs 1',
  stream: '--clients 20 --idle 5 --events 1000 --event-bytes 10000',
  api: '--rows 50000 --anomalies 5000 --accounts 1000 --seconds 1 --warm-up-seconds 0',
  serving:
    '--rate 1000 --requests 50 --clients 2 --seconds 3 --warm-up-seconds 1 --rows 50000 --anomalies 5000 --accounts 1000 --stream-accounts 1000',
  keys: '--rounds 500',
  scale: '--workers 1,2 --partitions 6 --records 200000 --runs 1',
}

interface AllOptions {
  quick?: boolean
  only?: string[]
}

export function allCommand(names: string[]): Command {
  return new Command('all')
    .description(
      'Every benchmark, one after another, each in a process of its own with its default options; each result is kept in ' +
        'bench/results/. Hours, and 50 GB of disk.',
    )
    .option('--quick', 'small sizes: minutes in all, only to see that everything works here')
    .addOption(
      new Option('--only <names>', `of these, several by commas: ${names.join(', ')}`).argParser((text) =>
        text.split(','),
      ),
    )
    .action(async ({ quick, only }: AllOptions, command: Command) => {
      const unknown = only?.filter((name) => !names.includes(name)) ?? []
      if (unknown.length > 0) command.error(`error: no benchmark ${unknown.join(', ')}`)
      await runAll(only ?? names, quick ?? false)
    })
}

/** A benchmark that fails does not keep the others from running. */
async function runAll(names: string[], quick: boolean): Promise<void> {
  await interruptibly(async (signal) => {
    const failed: string[] = []
    for (const name of names) {
      const args = quick ? QUICK[name].split(' ') : []
      progress(`\n${name} ${args.join(' ')}`.trimEnd())
      const began = performance.now()
      const code = await runOne([name, '--keep', ...args], signal)
      signal.throwIfAborted()
      if (code !== 0) failed.push(name)
      progress(`${name}: exit code ${code}, ${Math.round((performance.now() - began) / 1000)} s`)
    }
    if (failed.length > 0) throw new Error(`${failed.join(', ')} failed; see above`)
  })
}

/** Its first Ctrl-C is also ours: it cleans up, and we wait. */
async function runOne(args: string[], signal: AbortSignal): Promise<number | null> {
  signal.throwIfAborted()
  const argv = [...process.execArgv, process.argv[1], 'bench', ...args]
  const child = spawn(process.execPath, argv, { stdio: 'inherit' })
  const stop = () => child.kill('SIGINT')
  signal.addEventListener('abort', stop)
  try {
    const [code] = await once(child, 'close')
    return code
  } finally {
    signal.removeEventListener('abort', stop)
  }
}

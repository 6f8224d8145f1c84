import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { until } from '../harness.ts'

export interface Daemon {
  url: string
  stop(): Promise<void>
}

/**
 * Starts Prometheus or Alertmanager on loopback, and waits until it is ready.
 * @param directory where it runs, with its configuration
 * @throws with what it wrote when it does not start
 */
export async function startDaemon(
  program: string,
  args: string[],
  { directory, port }: { directory: string; port: number },
): Promise<Daemon> {
  const address = `127.0.0.1:${port}`
  const child = spawn(program, [...args, `--web.listen-address=${address}`, '--log.level=warn'], {
    cwd: directory,
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let errors = ''
  child.stderr.on('data', (text) => {
    errors += text
  })
  const end = once(child, 'exit')
  const url = `http://${address}`
  const stop = async () => {
    child.kill('SIGTERM')
    await end
  }
  try {
    await until(async () => (await fetch(`${url}/-/ready`)).ok, { seconds: 30, what: program })
  } catch (error) {
    await stop()
    throw new Error(`${program} does not start: ${errors.slice(-2000)}`, { cause: error })
  }
  return { url, stop }
}

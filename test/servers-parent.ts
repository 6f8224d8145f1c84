import { type LocalServersOptions, startServers } from '../deploy/local/servers.ts'

/**
 * A process to be killed by servers.test.ts: starts servers with the options in its argument (JSON), tells what came
 * of it in one line of JSON, and runs until it is ended.
 */

const options: LocalServersOptions = JSON.parse(process.argv[2])
try {
  const { kafka: _, postgres, ...servers } = await startServers(options)
  console.log(JSON.stringify({ ...servers, pid: postgres?.pid() }))
  setInterval(() => {}, 1000)
} catch (error) {
  console.log(JSON.stringify({ error: (error as Error).message }))
}

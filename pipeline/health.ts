import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Registry } from 'prom-client'

export interface HealthServer {
  url: string
  close(): Promise<void>
}

/** /metrics, /health/live and /health/ready on one port of its own. */
export async function serveHealth(
  host: string,
  port: number,
  registry: Registry,
  isReady: () => boolean,
): Promise<HealthServer> {
  const server = createServer(async (request, response) => {
    const json = (status: number, body: unknown) =>
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
    if (request.url === '/health/live') json(200, { status: 'alive' })
    else if (request.url === '/health/ready') {
      if (isReady()) json(200, { status: 'ready' })
      else json(503, { status: 'not ready' })
    } else if (request.url === '/metrics') {
      const text = await registry.metrics()
      response.writeHead(200, { 'content-type': registry.contentType }).end(text)
    } else json(404, { status: 404, title: 'Not Found' })
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const taken = error.code === 'EADDRINUSE'
      reject(
        taken
          ? new Error(`port ${port} of PIPELINE_METRICS_PORT is taken; set another, or 0 for any`)
          : error,
      )
    })
    server.listen(port, host, resolve)
  })
  const address = server.address() as AddressInfo
  return {
    url: `http://${host}:${address.port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

/** The demo's server: Express 5 with routes of its own, and the FastAPI app of main.py under /api. */
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import { PythonError, PythonHandler, type PythonFunction } from 'amphis'
import express, { type NextFunction, type Request, type Response } from 'express'

/** What Express asks Python. */
interface Tea {
  cooling: PythonFunction<(temperature: number, spread: number) => Promise<object>>
}

const here = fileURLToPath(new URL('.', import.meta.url))
const { version: expressVersion } = createRequire(import.meta.url)('express/package.json') as { version: string }

export interface DemoOptions {
  /**
   * Port to listen on; 0 takes a free one.
   * @default 3000
   */
  port?: number
  /**
   * Address to listen on.
   * @default '127.0.0.1'
   */
  host?: string
}

export interface Demo extends AsyncDisposable {
  /** Where the page is, without a slash at the end. */
  readonly url: string
  readonly python: PythonHandler
  /** Stops accepting, closes WebSockets with 1012, ends what is open, and runs FastAPI's lifespan shutdown. */
  close(): Promise<void>
}

/** Starts Python and the server; rejects when the port is taken or the app cannot be loaded. */
export async function createDemo({ port = 3000, host = '127.0.0.1' }: DemoOptions = {}): Promise<Demo> {
  const python = new PythonHandler({ app: 'main:app', appDir: here })

  const app = express()
  app.disable('x-powered-by')

  app.get('/js/time', (_req, res) => {
    res.json({ now: new Date().toISOString(), from: 'Express' })
  })
  app.get('/js/health', (_req, res) => {
    res.json({ pid: process.pid, node: process.versions.node, express: expressVersion, python: python.versions })
  })

  app.get('/js/cooling', async (req, res) => {
    const { temperature, spread } = req.query
    const tea = await python.python.import<Tea>('tea')
    res.json(await tea.cooling(Number(temperature), Number(spread)))
  })

  app.use('/api', python.middleware)

  // The page shows the code that it calls, read from the files that run.
  app.get(['/main.py', '/tea.py', '/menu.mjs', '/demo.ts'], (req, res) => {
    res.type('text/plain').send(readFileSync(new URL(`.${req.path}`, import.meta.url), 'utf8'))
  })
  app.use(express.static(fileURLToPath(new URL('public', import.meta.url)), { setHeaders: allowOwnFilesOnly }))
  app.use((error: Error, _req: Request, res: Response, next: NextFunction) => {
    if (res.headersSent) return next(error)
    if (error instanceof PythonError && error.type === 'ValueError') {
      return res.status(400).json({ error: error.message })
    }
    console.error(error)
    res.status(500).json({ error: error.message })
  })

  const server = createServer(app)
  // Express never sees WebSockets: Node.js gives them to the server.
  python.attach(server, { path: '/api' })
  try {
    await python.ready()
    server.listen(port, host)
    await once(server, 'listening')
  } catch (error) {
    await python.close()
    throw error
  }

  const address = server.address() as AddressInfo
  const hostname = address.family === 'IPv6' ? `[${address.address}]` : address.address

  let closing: Promise<void> | undefined
  const close = () => (closing ??= stop())
  const stop = async () => {
    const closed = once(server, 'close')
    server.close()
    // An event stream never ends by itself: after this time its client is disconnected, and the app told so.
    const patience = setTimeout(() => server.closeAllConnections(), 500)
    // Both at once: the server waits for WebSockets as well, and they are closed by the handler.
    await Promise.all([closed, python.close()])
    clearTimeout(patience)
  }

  return { url: `http://${hostname}:${address.port}`, python, close, [Symbol.asyncDispose]: close }
}

/** The page uses nothing but its own files, and the browser may hold it to that. */
function allowOwnFilesOnly(res: { setHeader(name: string, value: string): unknown }): void {
  res.setHeader(
    'content-security-policy',
    "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
  )
  res.setHeader('cache-control', 'no-cache')
}

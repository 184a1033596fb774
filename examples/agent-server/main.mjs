// The program: a server of Node.js with the page of public/, and FastAPI for everything else, in one process.
import { once } from 'node:events'
import { createServer } from 'node:http'
import { fileURLToPath } from 'node:url'
import { PythonHandler } from 'amphis'
import { closeProxy, prepare } from './agent/host.mjs'
import { servePage } from './page.mjs'

const here = fileURLToPath(new URL('.', import.meta.url))
const host = process.env.HOST || '127.0.0.1'
const port = Number(process.env.PORT || 3000)

await prepare()
const python = new PythonHandler({ app: 'server.api:app', appDir: here, lifespan: 'on', timeoutGracefulShutdown: 3000 })
const server = createServer((req, res) => {
  if (!servePage(req, res)) python.listener(req, res)
})
python.attach(server)

let stopping
/** Ends the turns that run, so that their streams end; then the rest, in a time that an orchestrator waits. */
const stop = () =>
  (stopping ??= (async () => {
    const closed = once(server, 'close')
    server.close()
    const { stop_turns } = await python.python.import('server.lifecycle')
    await stop_turns()
    setTimeout(() => server.closeAllConnections(), 1000).unref()
    await Promise.all([closed, python.close()])
    await closeProxy()
  })())

try {
  await python.ready()
  server.listen(port, host)
  await once(server, 'listening')
  const { address, port: taken, family } = server.address()
  const url = `http://${family === 'IPv6' ? `[${address}]` : address}:${taken}`
  const { announce } = await python.python.import('server.lifecycle')
  console.log(await announce(url))
} catch (error) {
  const busy = error.code === 'EADDRINUSE'
  console.error(busy ? `Port ${port} of ${host} is taken. Choose another: PORT=${port + 1}` : error)
  await python.close()
  process.exit(1)
}

for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, stop)

import { join } from 'node:path'
import { PythonHandler } from 'amphis'
import express from 'express'

const host = process.env.HOST || '127.0.0.1'
const port = Number(process.env.PORT || 3000)

// app/main.py runs in this very process, on the Python of .venv.
const python = new PythonHandler({
  app: 'main:app',
  appDir: join(import.meta.dirname, 'app'),
  // Errors of Python in the browser, with the source around them.
  debug: process.env.NODE_ENV !== 'production',
})
// Python starts now, not with the first request. What it can't import is told to whoever asks, and here.
python.ready().catch(console.error)

const app = express()
app.use(express.static(join(import.meta.dirname, 'public')))
app.get('/time', (_request, response) => {
  response.json({ time: new Date().toISOString(), from: `Node.js ${process.versions.node}` })
})
// Whatever is below /api is Python's. As python.middleware, its errors would go to Express' error handlers.
app.use('/api', python.listener)

const server = app.listen(port, host, (error) => {
  if (error) throw error
  console.log(`http://${host}:${port}`)
})
// Its WebSockets too.
python.attach(server, { path: '/api' })

// Requests under way may end, and the Python app shuts down.
async function stop() {
  server.close()
  await python.close()
  server.closeAllConnections()
}
process.once('SIGINT', stop)
process.once('SIGTERM', stop)

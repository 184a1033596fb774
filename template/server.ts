import { join } from 'node:path'
import { PythonHandler } from 'amphis'
import express from 'express'

const host = process.env.HOST || '127.0.0.1'
const port = Number(process.env.PORT || 3000)

// app/main.py runs in this very process, on the Python of .venv.
const python = new PythonHandler({ app: 'main:app', appDir: join(import.meta.dirname, 'app') })
await python.ready()

const app = express()
app.use(express.static(join(import.meta.dirname, 'public')))
app.get('/time', (_request, response) => {
  response.json({ time: new Date().toISOString(), from: `Node.js ${process.versions.node}` })
})
// Whatever is below /api is Python's.
app.use('/api', python.middleware)

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

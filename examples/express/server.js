// Express with a Python app: `npm start` in this folder.
import express from 'express'
import { PythonHandler } from 'amphis'
import { app, closeBySignal, listening, port, userOf } from '../shared/users.js'

// Middleware has verified the user of a request, but sees no WebSocket.
const context = (req) => ({ user: req.user ?? userOf(req.headers) })
const python = await new PythonHandler({ ...app, context }).ready()

const routes = express()
routes.get('/', (req, res) => res.json({ from: 'Express' }))
routes.use((req, res, next) => {
  res.cookie('node', '1')
  req.user = userOf(req.headers)
  next()
})
routes.use('/api', python.middleware)
routes.use((req, res) => res.status(404).json({ from: 'Express', missing: req.originalUrl }))

const server = routes.listen(port, () => listening(server))
python.attach(server, { path: '/api' })

closeBySignal(async () => {
  server.close()
  await python.close()
  server.closeAllConnections()
})

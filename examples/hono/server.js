// Hono with a Python app: `npm start` in this folder.
import { serve } from '@hono/node-server'
import { Hono } from 'hono'
import { setCookie } from 'hono/cookie'
import { PythonHandler } from 'amphis'
import { hono } from 'amphis/hono'
import { app, closeBySignal, listening, port, userOf } from '../shared/users.js'

const python = await new PythonHandler(app).ready()

const routes = new Hono()
routes.get('/', (c) => c.json({ from: 'Hono' }))
routes.use('/api/*', async (c, next) => {
  setCookie(c, 'node', '1')
  c.set('user', userOf(c.req.header()))
  await next()
})
routes.all('/api/*', hono(python, { prefix: '/api', context: (c) => ({ user: c.get('user') }) }))
routes.notFound((c) => c.json({ from: 'Hono', missing: c.req.path }, 404))

const server = serve({ fetch: routes.fetch, port }, () => listening(server))
python.attach(server, { path: '/api' })

closeBySignal(async () => {
  server.close()
  await python.close()
  server.closeAllConnections()
})

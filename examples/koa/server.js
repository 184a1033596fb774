// Koa with a Python app: `npm start` in this folder.
import Koa from 'koa'
import { PythonHandler } from 'amphis'
import { koa } from 'amphis/koa'
import { app, closeBySignal, listening, port, userOf } from '../shared/users.js'

const python = await new PythonHandler(app).ready()

const server = new Koa()
  .use((ctx, next) => {
    ctx.cookies.set('node', '1')
    ctx.state.user = userOf(ctx.headers)
    return next()
  })
  .use(koa(python, { prefix: '/api', context: (ctx) => ({ user: ctx.state.user }) }))
  .use((ctx) => {
    ctx.status = ctx.path === '/' ? 200 : 404
    ctx.body = ctx.path === '/' ? { from: 'Koa' } : { from: 'Koa', missing: ctx.path }
  })
  .listen(port, () => listening(server))
python.attach(server, { path: '/api' })

closeBySignal(async () => {
  server.close()
  await python.close()
  server.closeAllConnections()
})

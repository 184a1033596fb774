import Koa from 'koa'
import { floor } from './floor.js'
import { listen } from './listen.js'

const app = new Koa()
// Without what Koa does to a body: the least that a middleware of it can cost.
app.use((ctx) => {
  ctx.respond = false
  floor(ctx.req, ctx.res)
})
listen(app.callback())

import fastify from 'fastify'
import { floor } from './floor.js'
import { obey, settings } from './listen.js'

obey()
const app = fastify()
// Without what Fastify does to a reply: the least that a route of it can cost.
app.all('/*', (request, reply) => {
  reply.hijack()
  floor(request.raw, reply.raw)
})
await app.listen({ port: settings.port, host: '127.0.0.1', backlog: 2048 })

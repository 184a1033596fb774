// Fastify with a Python app: `npm start` in this folder.
import fastify from 'fastify'
import { amphis } from 'amphis/fastify'
import { app, closeBySignal, listening, port, userOf } from '../shared/users.js'

const server = fastify({ forceCloseConnections: true })

server.get('/', () => ({ from: 'Fastify' }))
server.addHook('onRequest', async (request, reply) => {
  reply.header('set-cookie', 'node=1')
  request.user = userOf(request.headers)
})
server.setNotFoundHandler((request, reply) => reply.code(404).send({ from: 'Fastify', missing: request.url }))
server.register(amphis, { app, prefix: '/api', context: (request) => ({ user: request.user }) })

await server.listen({ port })
listening(server.server)
closeBySignal(() => server.close())

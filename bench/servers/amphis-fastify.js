import fastify from 'fastify'
import { amphis } from '../../dist/fastify.js'
import { obey, settings } from './listen.js'

obey()
const app = fastify()
app.register(amphis, { app: { app: 'main:app', appDir: settings.appDir, python: settings.python } })
await app.listen({ port: settings.port, host: '127.0.0.1', backlog: 2048 })

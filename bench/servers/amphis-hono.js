import { getRequestListener } from '@hono/node-server'
import { Hono } from 'hono'
import { hono } from '../../dist/hono.js'
import { PythonHandler } from '../../index.js'
import { listen, settings } from './listen.js'

const handler = new PythonHandler({ app: 'main:app', appDir: settings.appDir, python: settings.python })
handler.ready().catch((error) => console.error(error))

const app = new Hono()
app.all('*', hono(handler))
listen(getRequestListener(app.fetch))

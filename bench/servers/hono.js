import { getRequestListener } from '@hono/node-server'
import { Hono } from 'hono'
import { listen, settings } from './listen.js'

const { status, contentType, body } = settings.answer

const app = new Hono()
app.all('*', (c) => c.body(body, status, { 'content-type': contentType, 'content-length': String(body.length) }))
listen(getRequestListener(app.fetch))

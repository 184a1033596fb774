import Koa from 'koa'
import { koa } from '../../dist/koa.js'
import { PythonHandler } from '../../index.js'
import { listen, settings } from './listen.js'

const handler = new PythonHandler({ app: 'main:app', appDir: settings.appDir, python: settings.python })
handler.ready().catch((error) => console.error(error))

listen(new Koa().use(koa(handler)).callback())

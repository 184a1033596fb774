import { PythonHandler } from '../../index.js'
import { listen, settings } from './listen.js'

const handler = new PythonHandler({ app: 'main:app', appDir: settings.appDir, python: settings.python })
// Started before the first request asks for it, as a server does; what fails is told to that request too.
handler.ready().catch((error) => console.error(error))
listen(handler.listener)

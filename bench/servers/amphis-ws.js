import { PythonHandler } from '../../index.js'
import { listen, settings } from './listen.js'

const handler = new PythonHandler({ app: 'main:app', appDir: settings.appDir, python: settings.python })
handler.ready().catch((error) => console.error(error))
handler.attach(listen(handler.listener))

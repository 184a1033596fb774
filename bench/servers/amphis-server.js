import { createServer, PythonHandler } from '../../index.js'
import { obey, settings } from './listen.js'

const python = new PythonHandler({ app: 'main:app', appDir: settings.appDir, python: settings.python })
python.ready().catch((error) => console.error(error))
obey()
createServer(python).listen({ port: settings.port, host: '127.0.0.1', backlog: 2048 })

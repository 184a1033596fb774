import { PythonHandler } from '../../index.js'
import { listen, settings } from './listen.js'

// Of its own beside `amphis.js`: whatever the others do with files, here the app sends them by `http.response.pathsend`.
const options = { app: 'main:app', appDir: settings.appDir, python: settings.python, pathsend: true }

const handler = new PythonHandler(options)
handler.ready().catch((error) => console.error(error))
listen(handler.listener)

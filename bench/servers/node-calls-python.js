import { join } from 'node:path'
import { interpreter } from 'node-calls-python'
import { settings } from './listen.js'
import { callPlainFunction } from './plain-call.js'

const main = interpreter.importSync(join(settings.appDir, 'main.py'), false)

callPlainFunction(settings.sync ? () => interpreter.callSync(main, 'hello') : () => interpreter.call(main, 'hello'))

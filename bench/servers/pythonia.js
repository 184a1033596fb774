import { join } from 'node:path'
import { python } from 'pythonia'
import { settings } from './listen.js'
import { callPlainFunction } from './plain-call.js'

const main = await python(join(settings.appDir, 'main.py'))

callPlainFunction(() => main.hello())

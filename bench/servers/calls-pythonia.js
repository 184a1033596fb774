import { join } from 'node:path'
import { python } from 'pythonia'
import { timed } from './call-timing.js'
import { obey, settings } from './listen.js'

const functions = await python(join(settings.appDir, 'functions.py'))

obey({ measure: (order) => timed((value) => functions.same(value), order) })

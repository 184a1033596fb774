import { join } from 'node:path'
import { interpreter } from 'node-calls-python'
import { loopDelay, timed } from './call-timing.js'
import { obey, settings } from './listen.js'

const functions = interpreter.importSync(join(settings.appDir, 'functions.py'), false)
const call = (name) => (value) => interpreter.call(functions, name, value)
const callSync = (name) => (value) => interpreter.callSync(functions, name, value)

const ways = {
  call: (order) => timed(call('same'), order),
  callSync: (order) => timed(callSync('same'), order),
  'delay: computing': ({ milliseconds }) => loopDelay(call('compute'), undefined, milliseconds),
  'delay: computing, asked': ({ milliseconds }) => loopDelay(call('compute'), call('same'), milliseconds),
  'delay: callSync': ({ milliseconds }) => loopDelay(callSync('compute'), undefined, milliseconds),
}

obey({ measure: (order) => ways[order.what](order) })

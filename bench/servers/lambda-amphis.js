import { EventEmitter } from 'node:events'
import { readFileSync } from 'node:fs'
import { PythonHandler } from '../../index.js'
import { lambda } from '../../dist/aws-lambda.js'
import { oneAtATime } from './call-timing.js'
import { obey, settings } from './listen.js'

const events = JSON.parse(readFileSync(new URL('lambda-events.json', import.meta.url), 'utf8'))

// What Lambda's runtime has, without its connection.
globalThis.awslambda = {
  streamifyResponse: (handler) => handler,
  HttpResponseStream: { from: (stream) => stream },
}

const { appDir, helloDir, python: interpreter } = settings
const hello = new PythonHandler({ app: 'main:app', appDir: helloDir, python: interpreter })
const stamped = new PythonHandler({ app: 'stamped:app', appDir, python: interpreter, lifespan: 'off' })
await hello.ready()
const handler = lambda(hello)
const stream = lambda.stream(stamped)
const headers = Object.entries(events['function url'].headers).flat()

const context = () => ({ awsRequestId: 'id', functionName: 'function', getRemainingTimeInMillis: () => 30_000 })

const invoke = (event) => async () => {
  const answer = await handler(event, context())
  return answer.statusCode === 200 && answer.body === 'Hello, World!' ? 1 : answer
}

async function handle() {
  const response = await hello.handle({ url: '/', headers })
  const text = await response.text()
  return response.status === 200 && text === 'Hello, World!' ? 1 : text
}

/** From the app's `send` to the write on Lambda's stream, in microseconds: the median. */
async function firstByte(milliseconds) {
  const times = []
  const end = performance.now() + milliseconds
  while (performance.now() < end) {
    const out = new EventEmitter()
    out.write = (piece) => {
      const now = process.hrtime.bigint()
      if (piece.length > 0) times.push(Number(now - BigInt(String(piece))) / 1000)
      return true
    }
    out.end = () => queueMicrotask(() => out.emit('finish'))
    await stream(events['function url'], out, context())
  }
  return Float64Array.from(times).toSorted()[times.length >> 1]
}

obey({
  measure: ({ what, milliseconds }) => {
    if (what === 'first byte') return firstByte(milliseconds)
    return oneAtATime(what === 'handle' ? handle : invoke(events[what]), milliseconds)
  },
})

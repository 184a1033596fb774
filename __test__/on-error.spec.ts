import { createServer, type IncomingMessage } from 'node:http'
import test, { type ExecutionContext } from 'ava'
import express, { type ErrorRequestHandler } from 'express'
import { WebSocket } from 'ws'
import { createServer as createPythonServer, PythonError, PythonHandler, type AmphisError } from '../index.js'
import { request } from './helpers/client.js'
import { listen } from './helpers/listen.js'
import { unique } from './helpers/probe.js'
import { createHandler, type HandlerOptions } from './helpers/python.js'
import { Recorder } from './helpers/recorder.js'

// `onError`: the host hears of every exception of its app.

/** A handler, and what its host has heard so far. */
function heard(t: ExecutionContext, options: HandlerOptions) {
  const calls: { error: AmphisError; request: unknown }[] = []
  const waiting: (() => void)[] = []
  const python = createHandler(t, {
    logger: new Recorder(),
    onError(error, asked) {
      calls.push({ error, request: asked })
      for (const resolve of waiting.splice(0)) resolve()
    },
    ...options,
  })
  const next = async (count: number) => {
    while (calls.length < count) await new Promise<void>((resolve) => waiting.push(resolve))
    return calls[count - 1]!
  }
  return { python, calls, next }
}

test('it hears what FastAPI has answered by itself, with traceback and request', async (t) => {
  const { python, next } = heard(t, { app: 'fastapi_app:app' })
  const { url } = await listen(t, createServer(python.listener))
  t.is((await request(`${url}/boom?x=1`)).text, 'Internal Server Error')
  const { error, request: asked } = await next(1)
  t.true(error instanceof PythonError)
  t.regex((error as PythonError).traceback, /fastapi_app\.py/)
  t.is((asked as IncomingMessage).url, '/boom?x=1')
})

test('it hears what goes to next(error) as well, and what comes in the middle and behind', async (t) => {
  const { python, next, calls } = heard(t, { app: 'error:app' })
  const passed: string[] = []
  const app = express()
    .use(python.middleware)
    .use(((error: Error, _req, res, _next) => {
      passed.push(error.message)
      res.status(599).end()
    }) as ErrorRequestHandler)
  const { url } = await listen(t, createServer(app))
  t.is((await request(`${url}/before`)).status, 599)
  t.is((await next(1)).error.message, 'before the response')
  t.is((await request(`${url}/after`)).text, 'complete')
  t.is((await next(2)).error.message, 'after the response')
  t.is((await request(`${url}/started`)).status, 599)
  t.is((await next(3)).error.message, 'after the start')
  t.is((await request(`${url}/no_response`)).status, 599)
  t.is((await next(4)).error.code, 'AMPHIS_ERR_NO_RESPONSE')
  t.is(passed.length, 3)
  t.is((calls[0]!.request as { originalUrl?: string }).originalUrl, '/before')
})

test('it hears of an app that does not start once, and not of clients and limits', async (t) => {
  const broken = heard(t, { app: 'raises_on_import:app' })
  const { url } = await listen(t, createServer(broken.python.listener))
  await Promise.all([request(url), request(url)])
  t.is((await request(url)).status, 500)
  t.deepEqual(
    broken.calls.map(({ error }) => error.code),
    ['AMPHIS_ERR_APP_IMPORT'],
  )
  const bounded = heard(t, { app: 'echo:app', maxBodySize: 1 })
  const other = await listen(t, createServer(bounded.python.listener))
  t.is((await request(other.url, { method: 'POST', body: 'long' })).status, 413)
  await bounded.python.close()
  t.is((await request(other.url)).status, 503)
  t.deepEqual(bounded.calls, [])
})

test('it hears of WebSockets', async (t) => {
  const { python, next } = heard(t, { app: 'websocket_app:app' })
  const { url } = await listen(t, createPythonServer(python))
  const socket = new WebSocket(`${url.replace('http', 'ws')}/no-such-path`)
  socket.on('error', () => {})
  await new Promise((resolve) => socket.once('close', resolve))
  const { error, request: asked } = await next(1)
  t.true(error instanceof PythonError)
  t.is((asked as IncomingMessage).url, '/no-such-path')
})

test('it hears of fetch and handle, with what they were given', async (t) => {
  const { python, next } = heard(t, { app: 'error:app' })
  const asked = new Request('http://host.test/before')
  await t.throwsAsync(python.fetch(asked), { message: 'before the response' })
  t.is((await next(1)).request, asked)
  const given = { url: '/before' }
  await t.throwsAsync(python.handle(given), { message: 'before the response' })
  t.is((await next(2)).request, given)
})

test('it hears of a request that takes too long, by each way', async (t) => {
  const { python, next } = heard(t, { app: 'limits:app', timeoutRequest: 20 })
  const { url } = await listen(t, createServer(python.listener))
  t.is((await request(`${url}/hold/${unique()}`)).status, 504)
  t.is((await next(1)).error.code, 'AMPHIS_ERR_REQUEST_TIMEOUT')
  await t.throwsAsync(python.handle({ url: `/hold/${unique()}` }))
  t.is((await next(2)).error.code, 'AMPHIS_ERR_REQUEST_TIMEOUT')
})

test('what it does wrong itself is logged, and costs no request its answer', async (t) => {
  for (const onError of [
    () => {
      throw new Error('of the reporter')
    },
    () => Promise.reject(new Error('of the reporter')),
  ]) {
    const logger = new Recorder()
    const python = createHandler(t, { app: 'error:app', logger, onError })
    const { url } = await listen(t, createServer(python.listener))
    t.is((await request(`${url}/before`)).status, 500)
    await logger.waitFor('error', /of the reporter/)
  }
  t.throws(() => new PythonHandler({ app: 'error:app', onError: 'log' as never }), {
    message: /onError must be a function/,
  })
})

import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { once } from 'node:events'
import { constants, connect } from 'node:http2'
import test, { type ExecutionContext } from 'ava'
import type { RequestObservation } from '../index.js'
import { request } from './helpers/client.js'
import { createHandler } from './helpers/python.js'
import { Recorder } from './helpers/recorder.js'
import { serve, serveHttp2 } from './helpers/server.js'

/** What a channel tells, one after the other. */
function listenTo(t: ExecutionContext, name: string): () => Promise<RequestObservation> {
  const told: RequestObservation[] = []
  let wake = (): void => {}
  const listener = (message: unknown): void => {
    told.push(message as RequestObservation)
    wake()
  }
  subscribe(name, listener)
  t.teardown(() => unsubscribe(name, listener))
  return async () => {
    while (told.length === 0) await new Promise<void>((resolve) => (wake = resolve))
    return told.shift()!
  }
}

test.serial('the same object comes from the start of a request to its end', async (t) => {
  const [start, end] = [listenTo(t, 'amphis:request:start'), listenTo(t, 'amphis:request:end')]
  const handler = createHandler(t, { app: 'raises:app' })
  const { url } = await serve(t, handler.listener)
  await request(`${url}/?a=b`)
  const ended = await end()
  t.is(await start(), ended)
  t.like(ended, { app: 'raises:app', method: 'GET', url: '/?a=b', status: 200, outcome: 'complete', bodyBytes: 17 })
  t.is(ended.client?.[0], '127.0.0.1')
  t.true(ended.endedAt! >= ended.startedAt)
})

test.serial('tells of an error with its request', async (t) => {
  const [error, end] = [listenTo(t, 'amphis:request:error'), listenTo(t, 'amphis:request:end')]
  const handler = createHandler(t, { app: 'raises:raw', logger: new Recorder() })
  const { url } = await serve(t, handler.listener)
  await request(`${url}/x`, { headers: { 'x-last': 'boom' } })
  const failed = await error()
  t.like(failed.error, { code: 'AMPHIS_ERR_PYTHON', type: 'ValueError' })
  t.is(await end(), failed)
  await t.throwsAsync(request(`${url}/late`))
  t.like(await end(), { outcome: 'cut-off', status: 200 })
})

test.serial('knows a stream of HTTP/2 that is whole from one whose client has left', async (t) => {
  const end = listenTo(t, 'amphis:request:end')
  const handler = createHandler(t, { app: 'command_line:app', logger: new Recorder(), timeoutGracefulShutdown: 10 })
  const { url, certificate } = await serveHttp2(t, handler.listener)
  const session = connect(url, { ca: certificate })
  t.teardown(() => session.destroy())
  const whole = session.request({ ':path': '/tea' })
  whole.resume()
  await once(whole, 'close')
  t.like(await end(), { outcome: 'complete', status: 200, url: '/tea' })
  const start = listenTo(t, 'amphis:request:start')
  const left = session.request({ ':path': '/forever' })
  await start()
  left.close(constants.NGHTTP2_CANCEL)
  t.like(await end(), { outcome: 'client-left', status: undefined, url: '/forever' })
})

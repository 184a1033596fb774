import test, { type ExecutionContext } from 'ava'
import express from 'express'
import { request } from './helpers/client.js'
import { shareProbe, unique } from './helpers/probe.js'
import { createHandler, shareHandler } from './helpers/python.js'
import { Recorder } from './helpers/recorder.js'
import { serve } from './helpers/server.js'
import { type ClientSettings, serveWebSockets, WebSocketClient } from './helpers/websocket-client.js'

const logger = new Recorder()
const app = 'apps.django_newsroom.asgi_channels:app'
const handler = shareHandler({ app, lifespan: 'auto', logger })
const probe = shareProbe()

/** A browser's page of this site. */
const origin = 'http://localhost'

async function start(t: ExecutionContext, python = handler) {
  const { url, ws } = await serveWebSockets(t, python)
  return {
    url,
    ws,
    open: (path: string, settings: ClientSettings = {}) =>
      WebSocketClient.open(t, `${ws}${path}`, { origin, ...settings }),
    refused: (path: string, settings: ClientSettings = {}) =>
      WebSocketClient.refused(t, `${ws}${path}`, { origin, ...settings }),
  }
}

const sends = (client: WebSocketClient, value: unknown) => client.send(JSON.stringify(value))

test('an async consumer passes what one says to the whole group', async (t) => {
  const { open } = await start(t)
  const desk = unique()
  const [ada, bob] = await Promise.all([open(`/desk/${desk}/`), open(`/desk/${desk}/`)])
  const other = await open(`/desk/${unique()}/`)
  const greeting = { desk: `desk_${desk}`, path: `/desk/${desk}/` }
  t.deepEqual([await ada.json(), await bob.json()], [greeting, greeting])
  await other.next()
  for (const text of ['one', 'zwölf 🕛']) {
    sends(ada, { text })
    for (const client of [ada, bob]) t.deepEqual(await client.json(), { from: 'WebSocket', text })
  }
  sends(other, { text: 'nobody else' })
  t.deepEqual(await other.json(), { from: 'WebSocket', text: 'nobody else' })
})

test('a view of Django speaks to the group of the consumers', async (t) => {
  const { url, open } = await start(t)
  const desk = unique()
  const ada = await open(`/desk/${desk}/`)
  await ada.next()
  const headers = { 'content-type': 'application/x-www-form-urlencoded' }
  const answer = await request(`${url}/publish/${desk}/`, { method: 'POST', headers, body: 'text=extra' })
  t.is(answer.status, 204)
  t.deepEqual(await ada.json(), { from: 'HTTP', text: 'extra' })
})

test('a sync consumer answers from its thread', async (t) => {
  const { open } = await start(t)
  const client = await open(`/calculator/?${unique()}`)
  for (let number = 1; number <= 100; number++) client.send(String(number))
  const totals = (await client.take(100)).map(Number)
  t.is(totals.at(-1), 5050)
  t.deepEqual(
    totals,
    totals.toSorted((a, b) => a - b),
  )
  client.send(Buffer.from([1, 2, 3]))
  t.deepEqual(await client.next(), Buffer.from([3, 2, 1]))
  client.send('done')
  t.deepEqual(await client.closed(), { code: 4242, reason: 'total 5050' })
})

for (const [what, leave, code] of [
  ['closes with a code', (client: WebSocketClient) => client.close(4444, 'enough'), 4444],
  ['closes without a code', (client: WebSocketClient) => client.close(), 1005],
  ['is lost', (client: WebSocketClient) => client.socket.terminate(), 1006],
] as const) {
  test(`consumers are told the code when a client ${what}`, async (t) => {
    const { open } = await start(t)
    const name = unique()
    const calculator = await open(`/calculator/?${name}`)
    leave(calculator)
    t.is(await probe.wait(`${name}:disconnected`), code)

    const desk = unique()
    const [ada, bob] = await Promise.all([open(`/desk/${desk}/`), open(`/desk/${desk}/`)])
    await Promise.all([ada.next(), bob.next()])
    leave(bob)
    t.deepEqual(await ada.json(), { from: 'left', text: String(code) })
  })
}

test('a consumer closes with a code and a reason of its own', async (t) => {
  const { open } = await start(t)
  const client = await open(`/desk/${unique()}/`)
  sends(client, { close: 4001, reason: 'the desk is closed' })
  t.deepEqual(await client.closed(), { code: 4001, reason: 'the desk is closed' })
})

test('a subprotocol is chosen among those offered', async (t) => {
  const { open } = await start(t)
  const chosen = await open(`/desk/${unique()}/`, { subprotocols: ['news.xml', 'news.json'] })
  t.is(chosen.socket.protocol, 'news.json')
  const none = await open(`/desk/${unique()}/`)
  t.is(none.socket.protocol, '')
})

test('a consumer refuses with 403, by DenyConnection and by close()', async (t) => {
  const { open, refused } = await start(t)
  t.like(await refused('/guarded/?raise'), { status: 403, text: '' })
  t.like(await refused('/guarded/?close'), { status: 403, text: '' })
  t.is((await open('/guarded/')).response?.headers['x-guard'], 'let you in')
})

test('AllowedHostsOriginValidator refuses another site, and no site, with 403', async (t) => {
  const { open, refused } = await start(t)
  const path = `/desk/${unique()}/`
  t.is((await refused(path, { origin: 'https://evil.example' })).status, 403)
  t.is((await refused(path, { origin: '' })).status, 403)
  await t.notThrowsAsync(open(path, { origin: 'http://127.0.0.1:3000' }))
})

test('the session of Django is the consumers’ as well', async (t) => {
  const { url, open } = await start(t)
  const answer = await request(`${url}/visits/`)
  const [cookie = ''] = String(answer.headers['set-cookie']).split(';')
  const client = await open(`/desk/${unique()}/`, { headers: { cookie } })
  sends(client, { session: 'visits' })
  await client.next()
  t.deepEqual(await client.json(), { visits: 1 })
})

test('an error in a consumer closes with 1011 and is logged', async (t) => {
  const own = new Recorder()
  const { open } = await start(t, createHandler(t, { app, lifespan: 'auto', logger: own }))
  const client = await open(`/calculator/?${unique()}`)
  client.send('crash')
  t.is((await client.closed()).code, 1011)
  t.like(await own.waitForError(), { type: 'ZeroDivisionError', message: 'calculated too much' })
})

test('a path without a consumer closes the handshake with an error that is logged', async (t) => {
  const own = new Recorder()
  const { refused } = await start(t, createHandler(t, { app, lifespan: 'auto', logger: own }))
  t.is((await refused('/no/such/consumer/')).status, 500)
  t.like(await own.waitForError(), { type: 'ValueError' })
})

test('a consumer that sends without end is stopped by its client’s leaving', async (t) => {
  const { open } = await start(t)
  const name = unique()
  const client = await open(`/flood/?${name}`)
  await client.take(10)
  client.socket.terminate()
  t.is(await probe.wait(`${name}:over`), true)
})

test('consumers below a mount are found by the path they were written for', async (t) => {
  const { server, url } = await serve(t, express().use('/news', handler.middleware))
  handler.attach(server, { path: '/news' })
  const desk = unique()
  const client = await WebSocketClient.open(t, `${url.replace('http', 'ws')}/news/desk/${desk}/`, { origin })
  t.deepEqual(await client.json(), { desk: `desk_${desk}`, path: `/news/desk/${desk}/` })
  t.like((await request(`${url}/news/where/x/`)).json(), { script_name: '/news' })
})

test.after('none of this was an error', (t) => {
  t.deepEqual(logger.errors(), [])
})

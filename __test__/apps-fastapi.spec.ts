import { createHash, randomBytes } from 'node:crypto'
import test, { type ExecutionContext } from 'ava'
import { PATIENCE } from './helpers/patience.js'
import { type RequestOptions, request, requestHead } from './helpers/client.js'
import { EventStream } from './helpers/event-stream.js'
import { shareProbe, unique } from './helpers/probe.js'
import { createHandler, shareHandler } from './helpers/python.js'
import { Recorder } from './helpers/recorder.js'
import { type ClientSettings, serveWebSockets, WebSocketClient } from './helpers/websocket-client.js'

const logger = new Recorder()
const app = 'apps.fastapi_chat.main:app'
const handler = shareHandler({ app, lifespan: 'on', logger })
const probe = shareProbe()

/** A server with a room that only this test knows. */
async function enter(t: ExecutionContext, python = handler) {
  const { url, ws } = await serveWebSockets(t, python)
  const room = `/rooms/${unique()}`
  const talk = (user?: string, settings?: ClientSettings) =>
    WebSocketClient.open(t, `${ws}${room}${user === undefined ? '' : `?user=${user}`}`, settings)
  return { url, ws, room: `${url}${room}`, wsRoom: `${ws}${room}`, talk }
}

const json = (value: unknown): RequestOptions => ({
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify(value),
})

const say = (client: WebSocketClient, text: string) => client.send(JSON.stringify({ text }))

test('everybody in the room hears everybody', async (t) => {
  const { talk } = await enter(t)
  const ada = await talk('ada')
  t.deepEqual(await ada.json(), { joined: 'ada' })
  const bob = await talk('bob')
  t.deepEqual([await ada.json(), await bob.json()], [{ joined: 'bob' }, { joined: 'bob' }])
  say(bob, 'héllo 🦊')
  say(ada, 'hi')
  t.deepEqual([await ada.json(), await bob.json()].slice(0, 2), [
    { user: 'bob', text: 'héllo 🦊' },
    { user: 'bob', text: 'héllo 🦊' },
  ])
  t.deepEqual(
    [await ada.json(), await bob.json()],
    [
      { user: 'ada', text: 'hi' },
      { user: 'ada', text: 'hi' },
    ],
  )
})

test('a burst of messages arrives whole and in order', async (t) => {
  const { talk } = await enter(t)
  const ada = await talk('ada')
  await ada.next()
  const texts = Array.from({ length: 500 }, (_, index) => `${index} ${'x'.repeat(index)}`)
  for (const text of texts) say(ada, text)
  const heard = (await ada.take(texts.length)).map((message) => (JSON.parse(String(message)) as { text: string }).text)
  t.deepEqual(heard, texts)
})

test('what comes by HTTP is heard over the WebSocket and over Server-Sent Events', async (t) => {
  const { room, talk } = await enter(t)
  const ada = await talk('ada')
  await ada.next()
  const stream = await requestHead(`${room}/events?name=${unique()}`)
  const events = new EventStream(stream)
  t.like(await events.next(), { event: 'hello', id: '0', data: '{"history": 1}' })
  t.like(await request(`${room}/messages`, json({ text: 'posted' })), { status: 202, text: '{"queued":6}' })
  t.deepEqual(await ada.json(), { user: 'post', text: 'posted' })
  t.like(await events.next(), { id: '2', retry: '500', data: '{"user": "post", "text": "posted"}' })
  stream.destroy()
})

test('the app sees the code and the reason that a client closes with', async (t) => {
  const { talk } = await enter(t)
  const ada = await talk('ada')
  const bob = await talk('bob')
  await ada.take(2)
  bob.close(4321, 'gone fishing')
  t.deepEqual(await ada.json(), { left: 'bob', code: 4321, reason: 'gone fishing' })
  t.deepEqual(await bob.closed(), { code: 4321, reason: 'gone fishing' })
})

test('a close without a code is 1005, a connection lost is 1006', async (t) => {
  const { talk } = await enter(t)
  const ada = await talk('ada')
  const bob = await talk('bob')
  const eve = await talk('eve')
  await ada.take(3)
  bob.close()
  t.deepEqual(await ada.json(), { left: 'bob', code: 1005, reason: '' })
  eve.socket.terminate()
  t.deepEqual(await ada.json(), { left: 'eve', code: 1006, reason: '' })
})

test('a dependency with yield is cleaned up when the client goes', async (t) => {
  const { talk } = await enter(t)
  for (const leave of [
    (client: WebSocketClient) => client.close(1000),
    (client: WebSocketClient) => client.socket.terminate(),
  ]) {
    const user = unique()
    const client = await talk(user)
    await client.next()
    leave(client)
    await probe.wait(`${user}:freed`)
  }
  t.pass()
})

test('WebSocketException before the accept refuses with 403', async (t) => {
  const { talk, wsRoom } = await enter(t)
  t.like(await WebSocketClient.refused(t, wsRoom), { status: 403, text: '' })
  const ada = await talk('ada')
  await ada.next()
  t.like(await WebSocketClient.refused(t, `${wsRoom}?user=ada`), { status: 403, text: '' })
  // The seat is still the first one's.
  say(ada, 'still here')
  t.deepEqual(await ada.json(), { user: 'ada', text: 'still here' })
})

test('WebSocketException after the accept closes with its code and reason', async (t) => {
  const { talk } = await enter(t)
  const user = unique()
  const client = await talk(user)
  await client.next()
  say(client, '/kick me')
  t.deepEqual(await client.closed(), { code: 4001, reason: 'as you wish' })
  await probe.wait(`${user}:freed`)
})

test('the app closes with a code and a reason of its own', async (t) => {
  const { talk } = await enter(t)
  const client = await talk('ada')
  await client.next()
  say(client, '/bye')
  t.deepEqual(await client.closed(), { code: 4000, reason: 'bye, ada' })
})

test('HTTPException before the accept is the answer to the handshake', async (t) => {
  const { wsRoom } = await enter(t)
  const answer = await WebSocketClient.refused(t, `${wsRoom}?user=ada`, { headers: { authorization: 'expired' } })
  t.like(answer, { status: 401, text: '{"detail":"log in again"}' })
  t.is(answer.headers['www-authenticate'], 'Bearer')
})

test('an unknown path refuses with 403', async (t) => {
  const { ws } = await enter(t)
  t.is((await WebSocketClient.refused(t, `${ws}/no/such/room`)).status, 403)
})

test('a subprotocol is chosen among those offered', async (t) => {
  const { talk } = await enter(t)
  const both = await talk('both', { subprotocols: ['chat.v1', 'chat.v2'] })
  t.is(both.socket.protocol, 'chat.v2')
  const none = await talk('none')
  t.is(none.socket.protocol, '')
  t.is(none.response?.headers['x-room-size'], '2')
})

test('an error in the endpoint closes with 1011, is logged, and leaves the others alone', async (t) => {
  const own = new Recorder()
  const { talk } = await enter(t, createHandler(t, { app, lifespan: 'on', logger: own }))
  const ada = await talk('ada')
  const user = unique()
  const bob = await talk(user)
  await ada.take(2)
  await bob.next()
  say(bob, '/crash')
  t.is((await bob.closed()).code, 1011)
  t.like(await own.waitForError(), { type: 'RuntimeError', message: 'the room fell apart' })
  await probe.wait(`${user}:freed`)
  say(ada, 'alone')
  t.deepEqual(await ada.json(), { user: 'ada', text: 'alone' })
})

test('binary messages of all sizes come back as they should', async (t) => {
  const { ws } = await enter(t)
  const client = await WebSocketClient.open(t, `${ws}/digest`)
  const total = createHash('sha256')
  for (const size of [1, 125, 126, 65_535, 65_536, 1_000_000, 5_000_000]) {
    const data = randomBytes(size)
    total.update(data)
    client.send(data)
    t.deepEqual(await client.next(), createHash('sha256').update(data).digest())
  }
  client.send(Buffer.alloc(0))
  t.is(await client.next(), total.digest('hex'))
  t.is((await client.closed()).code, 1000)
})

test('sse-starlette ends its generator at once of the client’s leaving', async (t) => {
  const { room } = await enter(t)
  const name = unique()
  const stream = await requestHead(`${room}/events?name=${name}`)
  t.is(stream.headers['cache-control'], 'no-store')
  t.regex(String(stream.headers['content-type']), /^text\/event-stream/)
  t.like(await new EventStream(stream).next(), { event: 'hello' })
  const left = performance.now()
  stream.destroy()
  await probe.wait(`${name}:finally`)
  t.is(await probe.wait(`${name}:closed`), 'http.disconnect')
  t.true(performance.now() - left < PATIENCE)
})

test('sse-starlette pings while there is nothing to say', async (t) => {
  const { room } = await enter(t)
  const stream = await requestHead(`${room}/events?name=${unique()}&ping=0.01`)
  const events = new EventStream(stream)
  t.like(await events.next(), { event: 'hello' })
  for (let count = 0; count < 3; count++) t.regex(String((await events.next()).comment), /^ping - /)
  stream.destroy()
})

test('sse-starlette streams from a plain generator to its end', async (t) => {
  const { url } = await enter(t)
  t.is((await request(`${url}/countdown/3`)).text, 'data: 3\n\ndata: 2\n\ndata: 1\n\n')
})

test('background tasks run after the response', async (t) => {
  const { room } = await enter(t)
  const name = unique()
  // The response is whole although its tasks wait for the test.
  t.like(await request(`${room}/messages?name=${name}`, json({ text: 'tea or tea' })), { status: 202 })
  t.deepEqual((await request(`${room}/words`)).json(), {})
  await probe.tell(`${name}:go`)
  await probe.wait(`${name}:indexed`)
  t.deepEqual((await request(`${room}/words`)).json(), { tea: 2, or: 1 })
})

test('streams an export of any length', async (t) => {
  const { room } = await enter(t)
  await request(`${room}/messages`, json({ text: 'x'.repeat(10_000) }))
  const answer = await request(`${room}/export?copies=300`)
  t.is(answer.headers['content-disposition'], 'attachment; filename="room.ndjson"')
  t.is(answer.headers['transfer-encoding'], 'chunked')
  t.is(answer.text, `{"user": "post", "text": "${'x'.repeat(10_000)}"}\n`.repeat(300))
})

test('keeps uploaded files byte for byte', async (t) => {
  const { room, talk } = await enter(t)
  const ada = await talk('ada')
  await ada.next()
  const picture = randomBytes(2_500_000)
  const form = new FormData()
  form.append('files', new Blob([picture], { type: 'image/png' }), 'tea house.png')
  form.append('files', new Blob(['notes'], { type: 'text/plain' }), 'naïve.txt')
  form.append('caption', 'two files')
  const response = await fetch(`${room}/attachments`, { method: 'POST', body: form })
  t.is(response.status, 201)
  t.deepEqual(await response.json(), [
    { name: 'tea house.png', size: picture.length, type: 'image/png' },
    { name: 'naïve.txt', size: 5, type: 'text/plain' },
  ])
  t.deepEqual(await ada.json(), { attached: ['tea house.png', 'naïve.txt'], caption: 'two files' })
  t.true((await request(`${room}/attachments/tea%20house.png`)).body.equals(picture))
  t.like(await request(`${room}/attachments/none`), { status: 404, text: '{"detail":"no attachment none"}' })
})

test.after('none of this was an error', (t) => {
  t.deepEqual(logger.errors(), [])
})

import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import test, { type ExecutionContext } from 'ava'
import express from 'express'
import { io, type ManagerOptions, type Socket, type SocketOptions } from 'socket.io-client'
import { request } from './helpers/client.js'
import { shareProbe, unique } from './helpers/probe.js'
import { createHandler, shareHandler } from './helpers/python.js'
import { Recorder } from './helpers/recorder.js'
import { serve } from './helpers/server.js'
import { serveWebSockets } from './helpers/websocket-client.js'

const logger = new Recorder()
// Engine.IO does not hear that a client has left its long poll: without a limit the poll would hold up the end.
const handler = shareHandler({
  app: 'apps.socketio_lobby.main:app',
  lifespan: 'on',
  timeoutGracefulShutdown: 100,
  logger,
})
const probe = shareProbe()

type Options = Partial<ManagerOptions & SocketOptions>

/** A client that is gone after the test. */
function client(t: ExecutionContext, url: string, options: Options): Socket {
  const socket = io(url, { forceNew: true, reconnection: false, autoConnect: false, ...options })
  t.teardown(() => socket.disconnect())
  return socket
}

/** The next event of that name; listened for from the moment of the call. */
async function next(socket: Socket, event: string): Promise<unknown> {
  return new Promise((resolve) => socket.once(event, resolve))
}

interface Hello {
  sid: string
  type: string
  path: string
}

/** Connects, and gives what the server says first. */
async function enter(socket: Socket): Promise<Hello> {
  const hello = next(socket, 'hello')
  const failed = next(socket, 'connect_error').then((error) => {
    throw error as Error
  })
  socket.connect()
  return (await Promise.race([hello, failed])) as Hello
}

const transportOf = (socket: Socket) => socket.io.engine.transport.name

const WAYS: readonly [name: string, transports: ('polling' | 'websocket')[], scope: string][] = [
  ['polling alone', ['polling'], 'http'],
  ['WebSocket alone', ['websocket'], 'websocket'],
  ['polling, then upgraded to WebSocket', ['polling', 'websocket'], 'http'],
]

for (const [name, transports, scope] of WAYS) {
  /** A player that has come by the transport of these tests. */
  const player = async (t: ExecutionContext, url: string, options: Options = {}) => {
    const socket = client(t, url, { transports, ...options })
    const upgraded =
      transports.length > 1 &&
      new Promise((resolve) => socket.io.once('open', () => socket.io.engine.once('upgrade', resolve)))
    const hello = await enter(socket)
    await upgraded
    t.is(transportOf(socket), String(transports.at(-1)))
    t.is(socket.id, hello.sid)
    t.is(hello.type, scope)
    return socket
  }

  test(`${name}: events and acknowledgements go both ways`, async (t) => {
    const { url } = await serveWebSockets(t, handler)
    const socket = await player(t, url)
    t.deepEqual(await socket.timeout(5000).emitWithAck('add', 'fü', 'r'), 'für')
    socket.on('question', (question: string, answer: (value: unknown) => void) => answer({ to: question }))
    const answered = next(socket, 'answered')
    socket.emit('ask_back', 'why?')
    t.deepEqual(await answered, { to: 'why?' })
  })

  test(`${name}: rooms`, async (t) => {
    const { url } = await serveWebSockets(t, handler)
    const [ada, bob] = await Promise.all([
      player(t, url, { auth: { player: 'ada' } }),
      player(t, url, { auth: { player: 'bob' } }),
    ])
    const room = unique()
    t.deepEqual(await ada.emitWithAck('join', room), { rooms: [room] })
    const joined = next(ada, 'joined')
    await bob.emitWithAck('join', room)
    t.deepEqual(await joined, { room, player: 'bob' })
    const said = next(ada, 'said')
    bob.emit('say', room, 'hallo 🎲')
    t.deepEqual(await said, { text: 'hallo 🎲' })
    t.is(await ada.emitWithAck('leave', room), 'left')
    ada.once('said', () => t.fail('heard outside of the room'))
    bob.emit('say', room, 'are you there?')
    t.is(await ada.emitWithAck('add', 1, 2), 3)
  })

  test(`${name}: binary of every byte, and large`, async (t) => {
    const { url } = await serveWebSockets(t, handler)
    const socket = await player(t, url)
    for (const bytes of [Buffer.from(Array.from({ length: 256 }, (_, byte) => byte)), randomBytes(1_000_000)]) {
      const answer = (await socket.emitWithAck('blob', { bytes })) as { reversed: Buffer; length: number }
      t.is(answer.length, bytes.length)
      t.true(Buffer.from(answer.reversed).equals(Buffer.from(bytes.toReversed())))
    }
  })

  test(`${name}: a burst arrives in order`, async (t) => {
    const { url } = await serveWebSockets(t, handler)
    const socket = await player(t, url)
    const numbers: number[] = []
    socket.on('number', (number: number) => numbers.push(number))
    t.is(await socket.emitWithAck('burst', 300), 300)
    t.deepEqual(
      numbers,
      Array.from({ length: 300 }, (_, number) => number),
    )
  })

  test(`${name}: both sides know why it ended`, async (t) => {
    const { url } = await serveWebSockets(t, handler)
    const leaver = unique()
    const leaves = await player(t, url, { auth: { player: leaver } })
    leaves.disconnect()
    t.is(await probe.wait(`${leaver}:left`), 'client disconnect')

    const kicked = unique()
    const stays = await player(t, url, { auth: { player: kicked } })
    const disconnected = next(stays, 'disconnect')
    stays.emit('kick')
    t.is(await disconnected, 'io server disconnect')
    t.is(await probe.wait(`${kicked}:left`), 'server disconnect')
  })

  test(`${name}: a player can be refused`, async (t) => {
    const { url } = await serveWebSockets(t, handler)
    const socket = client(t, url, { transports, auth: { token: 'wrong' } })
    const error = await t.throwsAsync(enter(socket), { message: 'no such player' })
    t.deepEqual((error as Error & { data: unknown }).data, { try: 'again' })
  })
}

test('a lost WebSocket is a transport that closed', async (t) => {
  const { url } = await serveWebSockets(t, handler)
  const name = unique()
  const socket = client(t, url, { transports: ['websocket'], auth: { player: name } })
  await enter(socket)
  const engine = socket.io.engine as unknown as { transport: { ws: { terminate: () => void } } }
  engine.transport.ws.terminate()
  t.is(await probe.wait(`${name}:left`), 'transport close')
})

test('a server that goes away is a transport that closed', async (t) => {
  const own = createHandler(t, { app: 'apps.socketio_lobby.main:app', lifespan: 'on', logger })
  const { url } = await serveWebSockets(t, own)
  const socket = client(t, url, { transports: ['websocket'] })
  await enter(socket)
  const disconnected = next(socket, 'disconnect')
  await own.close()
  t.is(await disconnected, 'transport close')
})

test('a client comes back after its connection was lost', async (t) => {
  const { url } = await serveWebSockets(t, handler)
  const socket = client(t, url, { transports: ['websocket'], reconnection: true, reconnectionDelay: 1 })
  const first = await enter(socket)
  const hello = next(socket, 'hello')
  const engine = socket.io.engine as unknown as { transport: { ws: { terminate: () => void } } }
  engine.transport.ws.terminate()
  t.not(((await hello) as Hello).sid, first.sid)
})

test('namespaces share one connection', async (t) => {
  const { url } = await serveWebSockets(t, handler)
  const admin = client(t, `${url}/admin`, { transports: ['websocket'] })
  admin.connect()
  await once(admin as unknown as NodeJS.EventEmitter, 'connect')
  t.deepEqual(await admin.emitWithAck('anything', { at: 'all' }), ['anything', { at: 'all' }])
})

test('the app beside it answers what is not Socket.IO’s', async (t) => {
  const { url } = await serveWebSockets(t, handler)
  t.deepEqual((await request(url)).json(), { lobby: 'open' })
  const answer = await request(`${url}/socket.io/?EIO=3&transport=polling`)
  t.is(answer.status, 400)
})

test('below a mount, with the prefix in its socketio_path', async (t) => {
  const mounted = createHandler(t, { app: 'apps.socketio_lobby.main:mounted', lifespan: 'on', logger })
  const { server, url } = await serve(t, express().use('/lobby', mounted.middleware))
  mounted.attach(server, { path: '/lobby' })
  const socket = client(t, url, { path: '/lobby/socket.io', transports: ['polling', 'websocket'] })
  const upgraded = new Promise((resolve) => socket.io.once('open', () => socket.io.engine.once('upgrade', resolve)))
  t.is((await enter(socket)).path, '/lobby/socket.io/')
  await upgraded
  t.is(await socket.emitWithAck('add', 20, 22), 42)
})

test.after('none of this was an error', (t) => {
  t.deepEqual(logger.errors(), [])
})

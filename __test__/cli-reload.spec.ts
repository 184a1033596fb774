import { once } from 'node:events'
import { Agent } from 'node:http'
import { connect } from 'node:net'
import { join } from 'node:path'
import test from 'ava'
import { requestHead } from './helpers/client.js'
import { closed } from './helpers/closed.js'
import { RawConnection } from './helpers/raw-connection.js'
import { appNamed, ask, childrenOf, gone, reloading, type Told } from './helpers/reloading.js'
import { scratchFolder } from './helpers/scratch.js'
import { WebSocketClient } from './helpers/websocket-client.js'

// Connections

test('a change is served by a new process, on the connections that there are', async (t) => {
  const app = await reloading(t)
  const url = await app.url()
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  t.teardown(() => agent.destroy())
  const before = await ask(url, { agent })
  // One that a browser has opened in advance.
  const unused = await RawConnection.open(t, Number(new URL(url).port))
  const children = await childrenOf(app.process.child.pid ?? 0, 2)
  await app.write('main.py', appNamed('two'))
  await app.process.prints('main.py changed, reloading\n')
  await app.reloaded(1)
  const after = await ask(url, { agent })
  t.is(before.version, 'one')
  t.is(after.version, 'two')
  t.not(after.pid, before.pid)
  // It was there before, with all that does not depend on the app.
  t.true(children.includes(after.pid))
  t.deepEqual(after.client, before.client)
  t.deepEqual(after.server, ['127.0.0.1', Number(new URL(url).port)])
  unused.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n')
  t.is((JSON.parse((await unused.response()).body) as Told).version, 'two')
  await app.process.prints('shutdown one\n')
  await gone(before.pid)
})

test('no request is refused or lost in many reloads', async (t) => {
  const app = await reloading(t)
  const url = await app.url()
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  t.teardown(() => agent.destroy())
  const versions = Array.from({ length: 10 }, (_, index) => `version ${index}`)
  const last = versions.at(-1)
  let requests = 0
  const askUntilLast = async (options: Parameters<typeof ask>[1]): Promise<Set<string>> => {
    const seen = new Set<string>()
    while (requests < 200 || !seen.has(last!)) {
      seen.add((await ask(url, options)).version)
      requests += 1
    }
    return seen
  }
  const uploading = { agent, method: 'POST', body: 'x'.repeat(1000) }
  const clients = [askUntilLast({ agent }), askUntilLast(uploading), askUntilLast({})]
  for (const [index, version] of versions.entries()) {
    await app.write('main.py', appNamed(version))
    await app.reloaded(index + 1)
  }
  for (const seen of await Promise.all(clients)) t.deepEqual([...seen].slice(-1), [last])
  t.true(requests >= 200)
})

test('a request in flight is finished by the old code, and new ones go to the new', async (t) => {
  const app = await reloading(t)
  const url = await app.url()
  const slow = await requestHead(`${url}/slow`)
  await app.write('main.py', appNamed('two'))
  await app.process.prints('changed, reloading')
  t.is((await ask(url)).version, 'two')
  let text = ''
  for await (const chunk of slow) text += String(chunk)
  t.true(slow.complete)
  t.is((JSON.parse(text) as Told).version, 'one')
})

test('an open stream does not hold up the new code, and is cut', async (t) => {
  const app = await reloading(t)
  const url = await app.url()
  const events = await requestHead(`${url}/events`)
  const [first] = (await once(events, 'data')) as [Buffer]
  t.is(first.toString(), 'data: one\n\n')
  events.resume().on('error', () => {})
  await app.write('main.py', appNamed('two'))
  await app.process.prints('changed, reloading')
  t.is((await ask(url)).version, 'two')
  await closed(events.socket)
  t.false(events.complete)
  await gone(await app.pidOf('one'))
  // It was not the client who left.
  await app.process.prints(' GET /events 200 cut off after ')
})

test('a WebSocket is told to come again, and finds the new code', async (t) => {
  const app = await reloading(t)
  const url = (await app.url()).replace('http', 'ws')
  const before = await WebSocketClient.open(t, url)
  t.is(await before.next(), 'one')
  await app.write('main.py', appNamed('two'))
  t.is((await before.closed()).code, 1012)
  const after = await WebSocketClient.open(t, url)
  t.is(await after.next(), 'two')
})

test('connections wait while the app starts; clients that leave meanwhile do no harm', async (t) => {
  const app = await reloading(t)
  const port = Number(new URL(await app.url()).port)
  const wait =
    'import pathlib, time\nprint("importing", flush=True)\nwhile not pathlib.Path("go").exists(): time.sleep(0.01)\n'
  await app.write('main.py', wait + appNamed('two'))
  await app.process.prints('importing\n')
  const left = await RawConnection.open(t, port)
  left.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n')
  left.leave()
  const reset = await RawConnection.open(t, port)
  reset.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n')
  reset.reset()
  const waiting = await RawConnection.open(t, port)
  waiting.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n')
  await app.write('go', '')
  t.is((JSON.parse((await waiting.response()).body) as Told).version, 'two')
  t.is((await ask(`http://127.0.0.1:${port}`)).version, 'two')
})

test('a connection that a process has not begun to read goes to the next one', async (t) => {
  const app = await reloading(t)
  const port = Number(new URL(await app.url()).port)
  const pid = await app.pidOf('one')
  process.kill(pid, 'SIGSTOP')
  const connection = await RawConnection.open(t, port)
  connection.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n')
  await app.write('main.py', appNamed('two'))
  await app.reloaded(1)
  // It is stopped for good, and so it is killed.
  await gone(pid)
  t.is((JSON.parse((await connection.response()).body) as Told).version, 'two')
})

test('reloads on a Unix socket', async (t) => {
  const path = join(await scratchFolder(t), 'app.sock')
  const app = await reloading(t, [], { address: ['--uds', path] })
  t.is(await app.url(), `unix:${path}`)
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  t.teardown(() => agent.destroy())
  const options = { socketPath: path, agent }
  const before = await ask('http://localhost/', options)
  await app.write('main.py', appNamed('two'))
  await app.reloaded(1)
  const after = await ask('http://localhost/', options)
  t.deepEqual([before.version, after.version], ['one', 'two'])
  t.deepEqual(after.server, [path, null])
  app.process.child.kill('SIGTERM')
  t.is((await app.process.ends()).code, 0)
  const socket = connect(path)
  const [error] = (await once(socket, 'error')) as [NodeJS.ErrnoException]
  t.is(error.code, 'ENOENT')
})

import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import { WebSocket } from 'ws'
import type { PythonHandler } from '../index.js'
import { refusalOf } from '../lib/js/inspector.js'
import { testWithEngine } from './helpers/engine.js'
import { amphisRun, start } from './helpers/plain-python.js'
import { createHandler, fixtures, python } from './helpers/python.js'

// Debuggers of isolated runtimes: in served apps, and how processes end while they hold something. What they can do is
// fixtures/js/test_inspector.py.

const folder = join(fixtures, 'js')

interface Message {
  id?: number
  method?: string
  result?: unknown
}

async function attach(t: ExecutionContext, url: string) {
  const socket = new WebSocket(url)
  t.teardown(() => socket.terminate())
  await once(socket, 'open')
  const messages: Message[] = []
  let arrived = (): void => undefined
  socket.on('message', (data) => {
    messages.push(JSON.parse((data as Buffer).toString()) as Message)
    arrived()
  })
  const find = async (is: (message: Message) => boolean): Promise<Message> => {
    for (;;) {
      const place = messages.findIndex(is)
      if (place >= 0) return messages.splice(0, place + 1).at(-1) as Message
      await new Promise<void>((resolve) => {
        arrived = resolve
      })
    }
  }
  let number = 0
  return {
    socket,
    call(method: string) {
      const id = ++number
      socket.send(JSON.stringify({ id, method }))
      return find((message) => message.id === id)
    },
    event: (method: string) => find((message) => message.method === method),
  }
}

async function textOf(handler: PythonHandler, path: string): Promise<string> {
  const response = await handler.handle(new Request(`http://localhost${path}`))
  return response.text()
}

testWithEngine('a served app answers other requests while a debugger holds its JavaScript', async (t) => {
  const handler = createHandler(t, { app: 'inspected:app', appDir: folder })
  const inspector = await attach(t, await textOf(handler, '/where'))
  await inspector.call('Debugger.enable')
  for (const [path, expected] of [
    ['/stop', 'awaited'],
    ['/stop-thread', 'thread'],
  ] as const) {
    const stopped = textOf(handler, path)
    await inspector.event('Debugger.paused')
    t.is(await textOf(handler, '/'), 'other')
    // Longer than the runtime's timeout.
    await pause(1200)
    t.is(await textOf(handler, '/'), 'other')
    await inspector.call('Debugger.resume')
    t.is(await stopped, expected)
  }
  const stopped = textOf(handler, '/stop')
  await inspector.event('Debugger.paused')
  inspector.socket.terminate()
  t.is(await stopped, 'awaited')
})

testWithEngine('a worker that ends lets go of what its debuggers hold', async (t) => {
  const args = [process.execPath, join(folder, 'held_in_worker.mjs'), python] as const
  const { code, stdout, stderr } = await start(t, args, { stdin: '', cwd: folder }).ends()
  t.is(code, 0, stderr)
  t.is(stdout, 'closed 1006\n', stderr)
})

for (const [how, code, signal] of [
  ['end', 0, null],
  ['exit', 3, null],
  ['interrupt', null, 'SIGINT'],
  ['terminate', null, 'SIGTERM'],
  ['javascript', 4, null],
] as const) {
  testWithEngine(`a process ends by "${how}" while a debugger holds threads`, async (t) => {
    const args = [...amphisRun, join(folder, 'held.py'), how] as const
    const ended = await start(t, args, { stdin: '', cwd: folder }).ends()
    t.is(ended.signal, signal, ended.stderr)
    t.is(ended.code, code, ended.stderr)
    if (how !== 'interrupt') t.is(ended.stderr, '')
  })
}

test('who may debug is decided by Host and Origin', (t) => {
  for (const host of [
    '127.0.0.1:9229',
    '127.0.0.1',
    '[::1]:9229',
    '[::1]',
    'localhost',
    'LocalHost:1',
    '192.168.1.2:9',
  ]) {
    t.is(refusalOf({ host }), undefined, host)
  }
  const strangers = [
    'evil.example',
    '127.0.0.1.nip.io:9229',
    'localhost.evil.example',
    '[evil]',
    '::1',
    '1.2.3',
    '',
    'a b',
  ]
  for (const host of [...strangers, undefined]) t.is(refusalOf({ host })?.[0], 400, host)
  for (const origin of ['devtools://devtools', 'vscode-file://vscode-app', 'vscode-webview://1234', undefined]) {
    t.is(refusalOf({ host: 'localhost', origin }), undefined, origin)
  }
  const pages = ['http://localhost', 'https://devtools.example', 'null', 'file://', 'chrome-extension://x', '']
  for (const origin of pages) t.is(refusalOf({ host: 'localhost', origin })?.[0], 403, origin)
})

import { join } from 'node:path'
import test from 'ava'
import { request } from './helpers/client.js'
import { suite } from './helpers/command-line.js'
import { amphisInTerminal } from './helpers/pseudo-terminal.js'
import { appNamed, childrenOf, gone, importing, reloading } from './helpers/reloading.js'
import { scratchFolder } from './helpers/scratch.js'

const args = ['main:app', '--reload', '--port', '0', ...suite]

/** The pieces of what a terminal has shown. */
const count = (text: string, words: string): number => text.split(words).length - 1

test('Ctrl+C in a terminal ends everything once and in good order', async (t) => {
  const main = `import sys\nprint("terminal", sys.stdout.isatty(), flush=True)\n${appNamed('one')}`
  const cwd = await scratchFolder(t, { 'main.py': main })
  const terminal = amphisInTerminal(t, args, { cwd, env: importing })
  await terminal.prints('for changes.')
  const children = await childrenOf(await terminal.pid, 2)
  terminal.type('\x03')
  const { code, stdout } = await terminal.ends()
  t.is(code, 0)
  t.true(stdout.includes('terminal True\r\n'))
  t.is(count(stdout, 'Stopping. Press Ctrl+C again to leave at once.\r\n'), 1)
  t.is(count(stdout, 'shutdown one\r\n'), 1)
  for (const child of children) await gone(child)
})

test('a second Ctrl+C ends everything at once', async (t) => {
  const main = [
    'import asyncio',
    'async def app(scope, receive, send):',
    '    await receive()',
    '    await send({"type": "lifespan.startup.complete"})',
    '    await receive()',
    '    print("hanging", flush=True)',
    '    await asyncio.Event().wait()',
  ]
  const cwd = await scratchFolder(t, { 'main.py': `${main.join('\n')}\n` })
  const terminal = amphisInTerminal(t, args, { cwd, env: importing })
  await terminal.prints('for changes.')
  const children = await childrenOf(await terminal.pid, 2)
  terminal.type('\x03')
  await terminal.prints('hanging')
  terminal.type('\x03')
  t.is((await terminal.ends()).signal, 'SIGINT')
  for (const child of children) await gone(child)
})

test('the processes of the app do not outlive their parent', async (t) => {
  const app = await reloading(t)
  await app.url()
  const children = await childrenOf(app.process.child.pid ?? 0, 2)
  t.true(children.includes(await app.pidOf('one')))
  app.process.child.kill('SIGKILL')
  for (const child of children) await gone(child)
  // It was left in good order all the same.
  t.regex((await app.process.ends()).stdout, /^shutdown one$/m)
})

test('breakpoint() works in a terminal', async (t) => {
  const main = [
    'async def app(scope, receive, send):',
    '    if scope["type"] != "http":',
    '        raise RuntimeError',
    '    status = 500',
    '    breakpoint()',
    '    await send({"type": "http.response.start", "status": status, "headers": []})',
    '    await send({"type": "http.response.body", "body": b""})',
  ]
  const cwd = await scratchFolder(t, { 'main.py': `${main.join('\n')}\n` })
  const socketPath = join(cwd, 'app.sock')
  const terminal = amphisInTerminal(t, [...args, '--uds', socketPath], { cwd, env: importing })
  await terminal.prints('for changes.')
  const answer = request('http://localhost', { socketPath })
  await terminal.prints('(Pdb)')
  terminal.type('status = 204\n')
  terminal.type('continue\n')
  t.is((await answer).status, 204)
})

import { once } from 'node:events'
import { join } from 'node:path'
import test from 'ava'
import { request } from './helpers/client.js'
import { amphis, amphisEnds, serveByCommand, suite } from './helpers/command-line.js'
import { amphisInTerminal } from './helpers/pseudo-terminal.js'
import { RawConnection } from './helpers/raw-connection.js'
import { scratchFolder } from './helpers/scratch.js'
import { WebSocketClient } from './helpers/websocket-client.js'

interface Line {
  time: string
  level: string
  msg: string
  [key: string]: unknown
}

/** Lines of JSON, each checked to be one. */
function linesOf(stdout: string): Line[] {
  return stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Line)
}

test('each request makes a line, and each client that leaves', async (t) => {
  const { process, url, port } = await serveByCommand(t, 'command_line:app', '--max-body-size', '10')
  await request(`${url}/tea?milk=no`)
  await request(url, { method: 'POST', body: 'x'.repeat(11) })
  const connection = await RawConnection.open(t, port)
  connection.write('GET /forever HTTP/1.1\r\nhost: a\r\n\r\n')
  await process.prints('waiting')
  connection.reset()
  await process.prints('client left')
  const nonsense = await RawConnection.open(t, port)
  nonsense.write('NONSENSE\x1b[31m\r\n\r\n')
  t.is((await nonsense.response()).status, 400)
  await process.prints('malformed request')
  process.child.kill('SIGINT')
  const { stdout } = await process.ends()
  const time = String.raw`\n\d{4}-\d\d-\d\d \d\d:\d\d:\d\d `
  t.regex(stdout, new RegExp(`${time}GET /tea\\?milk=no 200 in [\\d.]+ m?s 127\\.0\\.0\\.1\n`))
  t.regex(stdout, new RegExp(`${time}POST / 413 in [\\d.]+ m?s 127\\.0\\.0\\.1\n`))
  t.regex(stdout, new RegExp(`${time}GET /forever client left after [\\d.]+ m?s 127\\.0\\.0\\.1\n`))
  t.regex(stdout, new RegExp(`${time}malformed request 400 127\\.0\\.0\\.1 \\(Parse Error: .*\\)\n`))
  t.false(stdout.includes('\x1b'))
})

test('a request that is refused, or given up, makes a line and says which limit it was', async (t) => {
  const crowded = await serveByCommand(t, 'command_line:app', '--limit-concurrency', '1')
  const connection = await RawConnection.open(t, crowded.port)
  connection.write('POST /upload HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\n\r\n')
  await crowded.process.prints('reading')
  t.is((await request(`${crowded.url}/tea`)).status, 503)
  connection.write('x')
  t.is((await connection.response()).status, 200)
  crowded.process.child.kill('SIGINT')
  const refused = await crowded.process.ends()
  t.deepEqual(refused.stdout.match(/GET \/tea .* in/g), ['GET /tea 503 in'])
  t.regex(refused.stderr, /^\S+ \S+ warning: The app has as many .* limitConcurrency allows \(1\)\. .*\n$/)

  const hasty = await serveByCommand(t, 'command_line:app', '--timeout-request', '0.1')
  t.is((await request(`${hasty.url}/forever`)).status, 504)
  hasty.process.child.kill('SIGINT')
  const givenUp = await hasty.process.ends()
  t.deepEqual(givenUp.stdout.match(/GET \/forever .* in/g), ['GET /forever 504 in'])
  t.regex(givenUp.stderr, /^\S+ \S+ error: GET \/forever took longer than timeoutRequest \(100 ms\), .*\n$/)
})

const SHOP = `
from fastapi import FastAPI

app = FastAPI()


@app.get("/")
async def offer():
    import prices

    return prices.ALL
`

test('a module that is no Python, imported by a request, is shown with its line and a caret', async (t) => {
  const folder = await scratchFolder(t, { 'shop.py': SHOP, 'prices.py': 'VAT = 19\nALL = {"tea": 3\n' })
  const args = ['shop:app', '--app-dir', folder, '--port', '0', ...suite]
  const server = amphisInTerminal(t, args, { env: { NO_COLOR: '1' } })
  const url = await server.printsLine(/http:\/\/127\.0\.0\.1:\d+/)
  t.is((await request(url)).status, 500)
  await server.prints('GET / 500 in')
  await server.prints('never closed')
  server.type('\x03')
  const { stdout } = await server.ends()
  t.is(stdout.match(/GET \/ \d/g)?.length, 1)
  const lines = stdout.split('\r\n')
  const start = lines.findIndex((line) => line.endsWith(' error: GET / failed:'))
  t.deepEqual(lines.slice(start + 1, start + 9).with(1, lines[start + 2]!.replace(/\d+/, 'N')), [
    'Traceback (most recent call last):',
    '  … N frames in fastapi, starlette',
    `  File "${join(folder, 'shop.py')}", line 9, in offer`,
    '    import prices',
    `  File "${join(folder, 'prices.py')}", line 2`,
    '    ALL = {"tea": 3',
    '          ^',
    "SyntaxError: '{' was never closed",
  ])
})

test('makes no line where none is wanted', async (t) => {
  for (const quiet of [['--no-access-log'], ['--log-level', 'error', '--port', '0']]) {
    const server = amphisInTerminal(t, ['command_line:app', '--port', '0', ...suite, ...quiet], {
      env: { NO_COLOR: '1' },
    })
    await server.prints('startup')
    if (quiet[0] === '--no-access-log') {
      const [, url = ''] = /(http:\S+)/.exec(await server.printsLine(/http:\S+/)) ?? []
      await request(`${url}/tea`)
    }
    server.type('\x03')
    const { stdout } = await server.ends()
    t.notRegex(stdout, /GET/)
    t.is(stdout.includes('ready in'), quiet[0] === '--no-access-log')
  }
})

test('--log-format json makes a JSON line of everything, harmless whatever a client sends', async (t) => {
  const process = amphis(t, 'raises:raw', '--port', '0', '--log-format', 'json', ...suite)
  const { address: url } = JSON.parse(await process.printsLine(/^\{.*"serving".*\}$/m)) as { address: string }
  const evil = 'a\x9b31m"\\'
  const connection = await RawConnection.open(t, Number(new URL(url).port))
  connection.write(
    `GET /a%0a%1b?b=c HTTP/1.1\r\nhost: a\r\nuser-agent: ${evil}\r\nx-request-id: 7\r\nx-last: boom\r\n\r\n`,
  )
  t.is((await connection.response()).status, 500)
  await request(`${url}/b`, { headers: { 'x-last': 'again' } })
  process.child.kill('SIGINT')
  const { stdout, stderr } = await process.ends()
  t.is(stderr, '')
  t.notRegex(stdout, /[^\P{Cc}\n]/u)
  const lines = linesOf(stdout)
  t.like(lines[0], { level: 'info', msg: 'serving', app: 'raises:raw', address: url })
  const access = lines.find(({ msg }) => msg === 'request')
  t.like(access, {
    level: 'info',
    method: 'GET',
    path: '/a%0a%1b',
    query: 'b=c',
    status: 500,
    outcome: 'complete',
    client: '127.0.0.1',
    http_version: '1.1',
    bytes: 21,
    user_agent: evil,
    request_id: '7',
  })
  t.regex(String(access?.time), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
  t.is(typeof access?.duration_ms, 'number')
  const error = lines.find(({ level }) => level === 'error')
  t.like(error, { msg: 'ValueError: boom', type: 'ValueError', code: 'AMPHIS_ERR_PYTHON', method: 'GET' })
  t.regex(String(error?.traceback), /^Traceback[^]*ValueError: boom\n$/)
  t.regex(lines.at(-1)!.msg, /^Stopping/)
})

test('tells of WebSockets when they open, close or are refused', async (t) => {
  const { process, url } = await serveByCommand(t, 'websocket_app:app')
  const client = await WebSocketClient.open(t, `${url.replace('http', 'ws')}/echo`)
  await process.prints('WS /echo open')
  client.socket.close(4001)
  await once(client.socket, 'close')
  await process.prints('WS /echo closed 4001 after')
  const refused = await RawConnection.open(t, Number(new URL(url).port))
  refused.write('GET /bad HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n')
  t.is((await refused.response()).status, 400)
  await process.prints('WS /bad 400 in')
  t.pass()
})

test('a terminal gets a banner, colours and tracebacks of the user’s own frames', async (t) => {
  const server = amphisInTerminal(t, ['raises:app', '--port', '0', '--debug', ...suite])
  await server.prints('Ctrl+C stops it.')
  const url = (await server.printsLine(/http:\/\/127\.0\.0\.1:\d+/)) ?? ''
  for (const path of ['/', '/cause', '/group', '/recursion']) await request(url + path)
  await server.prints('RecursionError')
  server.type('\x03')
  const stdout = (await server.ends()).stdout.replaceAll('\x1b', '␛')
  t.regex(stdout, /␛\[1m␛\[36mhttp:\/\/127\.0\.0\.1:\d+␛/)
  t.regex(stdout, /ready in \d+ ms/)
  t.regex(stdout, /Mode.*debug/)
  t.regex(stdout, /GET \/ ␛\[32m200␛\[39m ␛\[2min/)
  t.regex(stdout, /GET \/cause failed:/)
  t.regex(stdout, /File ␛\[36m".*raises\.py"␛\[39m, line ␛\[36m\d+␛\[39m, in ␛\[1msettings␛/)
  t.regex(stdout, /… \d+ frames in fastapi, starlette/)
  t.regex(stdout, /The above exception was the direct cause of the following exception:/)
  t.regex(stdout, /␛\[1m␛\[31mRuntimeError: the settings cannot be read/)
  t.regex(stdout, /┌ 1 of 2[^]*KeyError: 'first'[^]*├ 2 of 2[^]*OSError: second/)
  t.regex(stdout, /\[Previous line repeated \d+ more times\]/)
  // Neither Node's stack, which says nothing, nor the insides of a framework.
  t.notRegex(stdout, /fromDescription|site-packages/)
})

test('NO_COLOR leaves the banner and takes the colours', async (t) => {
  const args = ['raises:app', '--host', '0.0.0.0', '--port', '0', '--debug', ...suite]
  const server = amphisInTerminal(t, args, { env: { NO_COLOR: '1' } })
  await server.prints('Leave it out, or listen on 127.0.0.1.')
  server.type('\x03')
  const { stdout } = await server.ends()
  t.regex(stdout, / {2}amphis \d\S* ready in \d+ ms/)
  t.regex(stdout, /Local +http:\/\/localhost:\d+/)
  t.regex(stdout, /warning: --debug shows/)
  t.false(stdout.includes('\x1b'))
})

test('a reader that is too slow holds nothing up, and is told what it has missed', async (t) => {
  const { process, url } = await serveByCommand(t, 'main:app')
  process.child.stdout.pause()
  const path = `/${'x'.repeat(8000)}`
  for (let round = 0; round < 30; round++) {
    await Promise.all(Array.from({ length: 10 }, () => request(url + path)))
  }
  // All were answered though nobody reads.
  process.child.stdout.resume()
  await process.prints('of this log were lost: whoever reads it is too slow.')
  process.child.kill('SIGINT')
  t.is((await process.ends()).code, 0)
})

test('a startup that fails is told once, with its traceback', async (t) => {
  const { code, stderr, stdout } = await amphisEnds(t, 'raises:starting', '--port', '0', ...suite)
  t.is(code, 1)
  t.is(stdout, '')
  t.is(stderr.match(/^Traceback/gm)?.length, 1)
  t.regex(stderr, /raises\.py[^]*\nerror: The app raised in its lifespan startup: KeyError: 'DATABASE'\n$/)
  const json = await amphisEnds(t, 'raises:starting', '--port', '0', '--log-format', 'json', ...suite)
  t.like(linesOf(json.stdout)[0], { level: 'error', code: 'AMPHIS_ERR_LIFESPAN_FAILED', type: 'KeyError' })
})

import { once } from 'node:events'
import { type IncomingMessage } from 'node:http'
import { connect as connectHttp2, type ClientHttp2Session } from 'node:http2'
import { Agent, request as requestSecurely, type RequestOptions } from 'node:https'
import { delimiter } from 'node:path'
import test from 'ava'
import { createCertificate } from './helpers/certificate.js'
import { readAnswer } from './helpers/client.js'
import { amphisEnds, serveByCommand, suite } from './helpers/command-line.js'
import { appNamed, ask, reloading, type Told } from './helpers/reloading.js'
import { fixtures } from './helpers/python.js'

const { certificate, key } = createCertificate()

async function askSecurely(url: string, options: RequestOptions): Promise<{ status: number; text: string }> {
  const outgoing = requestSecurely(url, { ca: certificate, ...options }).end()
  const [response] = (await once(outgoing, 'response')) as [IncomingMessage]
  return readAnswer(response)
}

async function askHttp2(session: ClientHttp2Session, headers = {}): Promise<string> {
  const stream = session.request({ ':path': '/', ...headers })
  stream.setEncoding('utf8')
  let text = ''
  for await (const chunk of stream) text += String(chunk)
  return text
}

test('reloads with TLS and HTTP/2, and tells of errors in both', async (t) => {
  const files = { 'both.pem': key + certificate }
  const app = await reloading(t, ['--ssl-certfile', 'both.pem', '--http2'], { files })
  const url = await app.url()
  t.regex(url, /^https:/)
  const before = connectHttp2(url, { ca: certificate })
  t.teardown(() => before.destroy())
  t.like(JSON.parse(await askHttp2(before)) as Told, { version: 'one', scheme: 'https', http_version: '2' })
  const goodbye = once(before, 'close')
  await app.write('main.py', appNamed('two'))
  await app.reloaded(1)
  await goodbye
  const session = connectHttp2(url, { ca: certificate })
  t.teardown(() => session.destroy())
  t.like(JSON.parse(await askHttp2(session)) as Told, { version: 'two', http_version: '2' })
  t.like(JSON.parse((await askSecurely(url, { agent: false })).text) as Told, { version: 'two', http_version: '1.1' })

  await app.write('main.py', 'nonsense')
  await app.process.prints('Waiting for a change')
  const broken = connectHttp2(url, { ca: certificate })
  t.teardown(() => broken.destroy())
  t.regex(await askHttp2(broken, { accept: 'text/html' }), /<title>[^]*nonsense/)
  const { status, text } = await askSecurely(url, { agent: false })
  t.is(status, 503)
  t.regex(text, /nonsense/)
  const webSocket = broken.request({ ':method': 'CONNECT', ':protocol': 'websocket', ':path': '/' })
  const [head] = (await once(webSocket, 'response')) as [{ ':status': number }]
  t.is(head[':status'], 503)
  // A stream with something unread keeps its session.
  webSocket.resume().end()
  const end = once(broken, 'close')
  await app.write('main.py', appNamed('three'))
  await app.reloaded(2)
  await end
  t.is((JSON.parse((await askSecurely(url, { agent: false })).text) as Told).version, 'three')
})

test('a client of TLS resumes its session with the next process', async (t) => {
  const files = { 'both.pem': key + certificate }
  const app = await reloading(t, ['--ssl-certfile', 'both.pem'], { files })
  const url = await app.url()
  const agent = new Agent({ ca: certificate, maxVersion: 'TLSv1.2' })
  t.teardown(() => agent.destroy())
  await askSecurely(url, { agent })
  await app.write('main.py', appNamed('two'))
  await app.reloaded(1)
  const outgoing = requestSecurely(url, { agent }).end()
  const [response] = (await once(outgoing, 'response')) as [
    IncomingMessage & { socket: { isSessionReused(): boolean } },
  ]
  t.true(response.socket.isSessionReused())
  t.is((JSON.parse((await readAnswer(response)).text) as Told).version, 'two')
})

test('changes of the environment file and of the configuration reach the app', async (t) => {
  const files = { '.env': 'ANSWER=1\n', 'amphis.config.mjs': 'export default { envFile: ".env", reloadDelay: 0.02 }\n' }
  const app = await reloading(t, [], { files })
  const url = await app.url()
  t.is((await ask(url)).answer, '1')
  await app.write('.env', 'ANSWER=2\n')
  await app.process.prints('.env changed, reloading\n')
  await app.reloaded(1)
  t.is((await ask(url)).answer, '2')
  // It is one of many, and none of them is left over from before.
  await app.write('.env', '')
  await app.reloaded(2)
  t.is((await ask(url)).answer, null)

  await app.write('amphis.config.mjs', 'export default { rootPath: "/api", appDir: "other", port: 1 }\n')
  await app.process.prints('error: There is no folder')
  t.is((await ask(url)).version, 'one')
  await app.write('amphis.config.mjs', 'export default { reloadInclude: ["*.txt"], http2: true }\n')
  await app.process.prints('amphis.config.mjs changed, reloading\n')
  await app.reloaded(3)
  await app.process.prints('warning: To change --http2, start amphis again.')
  await app.write('words.txt', '')
  await app.process.prints('words.txt changed, reloading\n')
  await app.reloaded(4)
  await app.write('amphis.config.mjs', 'export default {')
  await app.process.prints('has a syntax error')
  t.is((await ask(url)).version, 'one')
})

test('Python starts from what is there at the time of the change', async (t) => {
  const customize = (answer: string) => `import os\nos.environ["ANSWER"] = "${answer}"\n`
  const app = await reloading(t, [], {
    files: { 'site/sitecustomize.py': customize('1') },
    env: { PYTHONPATH: `${fixtures}${delimiter}site` },
  })
  const url = await app.url()
  t.is((await ask(url)).answer, '1')
  for (const times of [1, 2, 3]) {
    await app.write('site/sitecustomize.py', customize(`after ${times}`))
    await app.reloaded(times)
    t.is((await ask(url)).answer, `after ${times}`)
  }
})

const refused: [what: string, args: string[], code: number, message: RegExp][] = [
  ['workers', ['--workers', '2'], 2, /^error: --reload serves from one process, and --workers 2 asks for more\. .*\n$/],
  ['a missing folder', ['--reload-dir', 'missing'], 2, /^error: There is no folder missing to watch\. .*\n$/],
  ['a pattern that is none', ['--reload-include', '[a'], 2, /^error: --reload-include takes a pattern .* "\[a"\.\n$/],
  ['a certificate that is missing', ['--ssl-certfile', 'no.pem'], 1, /^error: The file no\.pem does not exist\. .*\n$/],
  ['a Python that is missing', ['--python', '/no/python'], 1, /^error: \/no\/python .*\n$/],
]

for (const [what, args, code, message] of refused) {
  test(`--reload ends at ${what}, in one line`, async (t) => {
    const end = await amphisEnds(t, 'main:app', '--reload', '--port', '0', ...suite, ...args)
    t.is(end.code, code)
    t.is(end.stdout, '')
    t.regex(end.stderr, message)
  })
}

test('--reload ends when the port is in use', async (t) => {
  const { port } = await serveByCommand(t, 'main:app')
  const { code, stderr } = await amphisEnds(t, 'main:app', '--reload', '--port', String(port), ...suite)
  t.is(code, 1)
  t.regex(stderr, new RegExp(`^error: Port ${port} of 127\\.0\\.0\\.1 is in use.*\\n$`))
})

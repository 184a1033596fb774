import { createHash, randomBytes } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { Transform } from 'node:stream'
import test, { type ExecutionContext } from 'ava'
import express, { type ErrorRequestHandler, type Express, type RequestHandler } from 'express'
import { AmphisError, PythonError } from '../index.js'
import { pairsOf, request, valuesOf } from './helpers/client.js'
import { shareProbe, unique } from './helpers/probe.js'
import { createHandler, shareHandler, DO_NOT_START } from './helpers/python.js'
import { RawConnection } from './helpers/raw-connection.js'
import { Recorder } from './helpers/recorder.js'
import { serve } from './helpers/server.js'

const scope = shareHandler('scope:app').middleware
const echo = shareHandler('echo:app').middleware
const responses = shareHandler('responses:app').middleware
const bodies = shareHandler('body:app')
const probe = shareProbe()

interface SeenScope {
  root_path: string
  path: string
  raw_path: { bytes: string }
  query_string: { bytes: string }
}

/** What Python sees of a target, under an Express app that the test sets up. */
async function see(t: ExecutionContext, target: string, setUp: (app: Express) => void) {
  const app = express()
  setUp(app)
  const { url } = await serve(t, app)
  const answer = await request(url + target)
  t.is(answer.status, 200, answer.text)
  const { root_path: rootPath, path, raw_path: raw, query_string: query } = answer.json() as SeenScope
  return { rootPath, path, raw: raw.bytes, query: query.bytes }
}

test('mounted at the root there is no root path', async (t) => {
  t.deepEqual(await see(t, '/x/y?q=1', (app) => app.use(scope)), {
    rootPath: '',
    path: '/x/y',
    raw: '/x/y',
    query: 'q=1',
  })
})

test('mounted at a prefix the root path is the prefix and the path keeps it', async (t) => {
  t.deepEqual(await see(t, '/api/x/y?q=1', (app) => app.use('/api', scope)), {
    rootPath: '/api',
    path: '/api/x/y',
    raw: '/api/x/y',
    query: 'q=1',
  })
})

test('at the mount point itself the path ends in a slash', async (t) => {
  const seen = { rootPath: '/api', path: '/api/', raw: '/api/', query: '' }
  t.deepEqual(await see(t, '/api', (app) => app.use('/api', scope)), seen)
  t.deepEqual(await see(t, '/api/', (app) => app.use('/api', scope)), seen)
  t.deepEqual(await see(t, '/api?q', (app) => app.use('/api', scope)), { ...seen, query: 'q' })
})

test('nested routers add up', async (t) => {
  const seen = await see(t, '/api/v1/users/7', (app) => {
    const inner = express.Router().use('/v1', scope)
    app.use('/api', express.Router().use(inner))
  })
  t.deepEqual(seen, { rootPath: '/api/v1', path: '/api/v1/users/7', raw: '/api/v1/users/7', query: '' })
})

test('a mounted Express app adds up as well', async (t) => {
  const seen = await see(t, '/outer/inner/x', (app) => app.use('/outer', express().use('/inner', scope)))
  t.deepEqual(seen, { rootPath: '/outer/inner', path: '/outer/inner/x', raw: '/outer/inner/x', query: '' })
})

test('a prefix with a parameter is what was asked for', async (t) => {
  const seen = await see(t, '/caf%C3%A9/x%20y', (app) => app.use('/:tenant', scope))
  t.deepEqual(seen, { rootPath: '/café', path: '/café/x y', raw: '/caf%C3%A9/x%20y', query: '' })
})

test('a prefix that occurs again below itself is not mistaken', async (t) => {
  const seen = await see(t, '/auth/auth', (app) => app.use('/auth', scope))
  t.deepEqual(seen, { rootPath: '/auth', path: '/auth/auth', raw: '/auth/auth', query: '' })
})

test('a route that strips nothing has no root path', async (t) => {
  t.deepEqual(await see(t, '/files/a/b', (app) => app.all('/files/{*path}', scope)), {
    rootPath: '',
    path: '/files/a/b',
    raw: '/files/a/b',
    query: '',
  })
})

for (const [rootPath, mount, target] of [
  ['/api', '/api', '/api/x?q'],
  ['/api', '/api', '/api'],
  ['/api/', '/api', '/api/x'],
  ['/café', '/caf%C3%A9', '/caf%C3%A9/x'],
] as const) {
  test(`rootPath ${rootPath} and a mount at ${mount} are one prefix: ${target}`, async (t) => {
    const handler = createHandler(t, { app: 'scope:app', rootPath })
    const mounted = await see(t, target, (app) => app.use(mount, handler.middleware))
    t.deepEqual(mounted, await see(t, target, (app) => app.use(mount, scope)))
  })
}

test('a rewritten url is what Python sees, wholly', async (t) => {
  // Were raw_path taken from originalUrl, the two would disagree and one of them would pass an authorisation.
  const rewrite: RequestHandler = (req, _res, next) => {
    req.url = '/public/page%2Fone?rewritten'
    next()
  }
  t.deepEqual(await see(t, '/api/admin/secret?asked', (app) => app.use('/api', rewrite, scope)), {
    rootPath: '/api',
    path: '/api/public/page/one',
    raw: '/api/public/page%2Fone',
    query: 'rewritten',
  })
})

test('a url rewritten before the mount is mounted as rewritten', async (t) => {
  const seen = await see(t, '/old/x', (app) => {
    app.use((req, _res, next) => {
      req.url = req.url.replace('/old', '/new')
      next()
    })
    app.use('/new', scope)
  })
  t.deepEqual(seen, { rootPath: '/new', path: '/new/x', raw: '/new/x', query: '' })
})

for (const [what, url] of [
  ['CR and LF', '/x\r\nx-forged: yes'],
  ['NUL', '/x\0y'],
  ['code units above 0xFF', '/x\u0100y'],
]) {
  test(`a url rewritten to hold ${what} is refused`, async (t) => {
    const app = express()
    app.use((req, _res, next) => {
      req.url = String(url)
      next()
    }, scope)
    const errors = catchErrors(app)
    await request((await serve(t, app)).url)
    t.like(errors[0], { code: 'AMPHIS_ERR_INVALID_REQUEST' })
  })
}

test('leaves what it is not mounted on to Express', async (t) => {
  const app = express()
  app.use('/api', scope)
  app.get('/own', (_req, res) => void res.send('Express'))
  const { url } = await serve(t, app)
  t.is((await request(`${url}/own`)).text, 'Express')
  t.is((await request(`${url}/nothing`)).status, 404)
})

/** Errors that reach Express, answered with 599. */
function catchErrors(app: Express): Error[] {
  const errors: Error[] = []
  const handler: ErrorRequestHandler = (error: Error, _req, res, _next) => {
    errors.push(error)
    res.status(599).end('caught by Express')
  }
  app.use(handler)
  return errors
}

test('an error before the response goes to next(err)', async (t) => {
  const logger = new Recorder()
  const app = express().use('/api', createHandler(t, { app: 'error:app', logger }).middleware)
  const errors = catchErrors(app)
  const { url } = await serve(t, app)
  // The fixture's routes do not know of the mount, so its path is set apart.
  const bare = express().use(createHandler(t, { app: 'error:app', logger }).middleware)
  const bareErrors = catchErrors(bare)
  const answer = await request(`${(await serve(t, bare)).url}/before`)
  t.like(answer, { status: 599, text: 'caught by Express' })
  t.is(bareErrors.length, 1)
  t.true(bareErrors[0] instanceof PythonError)
  t.like(bareErrors[0], { type: 'ValueError', message: 'before the response' })
  t.is((await request(`${url}/api/unknown`)).status, 599)
  t.like(errors[0], { type: 'KeyError' })
})

test('Express answers 500 to an error that nobody handles', async (t) => {
  const app = express().use(createHandler(t, { app: 'error:app', logger: new Recorder() }).middleware)
  app.set('env', 'test')
  const { url } = await serve(t, app)
  t.is((await request(`${url}/before`)).status, 500)
})

test('an error in the middle of the response destroys the connection and never reaches next(err)', async (t) => {
  const logger = new Recorder()
  const app = express().use(createHandler(t, { app: 'error:app', logger }).middleware)
  const errors = catchErrors(app)
  const { port } = await serve(t, app)
  const connection = await RawConnection.open(t, port)
  const name = unique()
  connection.write(`GET /during?${name} HTTP/1.1\r\nHost: test\r\n\r\n`)
  await connection.until('partial\r\n')
  await probe.tell(name)
  t.notRegex((await connection.rest()).text, /0\r\n\r\n/)
  t.is((await logger.waitForError()).message, 'in the middle of the response')
  t.deepEqual(errors, [])
})

test('an error after the whole response never reaches next(err)', async (t) => {
  const logger = new Recorder()
  const app = express().use(createHandler(t, { app: 'error:app', logger }).middleware)
  const errors = catchErrors(app)
  const { url } = await serve(t, app)
  t.is((await request(`${url}/after`)).text, 'complete')
  await logger.waitForError()
  t.deepEqual(errors, [])
})

for (const [what, options, code] of DO_NOT_START) {
  test(`${what} goes to next(err), for every request`, async (t) => {
    const app = express().use(createHandler(t, { ...options, logger: new Recorder() }).middleware)
    const errors = catchErrors(app)
    const { url } = await serve(t, app)
    await request(url)
    await request(url)
    t.is(errors.length, 2)
    for (const error of errors) t.like(error, { code })
  })
}

test('a closed handler goes to next(err)', async (t) => {
  const handler = createHandler(t, 'main:app')
  const app = express().use(handler.middleware)
  const errors = catchErrors(app)
  const { url } = await serve(t, app)
  await handler.close()
  await request(url)
  t.like(errors[0], { code: 'AMPHIS_ERR_CLOSED' })
})

test('headers set before are merged, the app winning', async (t) => {
  const app = express()
  app.use((_req, res, next) => {
    res.setHeader('X-Frame-Options', 'DENY')
    res.setHeader('X-One', 'from Express')
    res.setHeader('X-Several', ['1', '2'])
    next()
  }, responses)
  const answer = await request(`${(await serve(t, app)).url}/duplicates`)
  t.deepEqual(valuesOf(answer.rawHeaders, 'x-frame-options'), ['DENY'])
  t.deepEqual(valuesOf(answer.rawHeaders, 'x-powered-by'), ['Express'])
  t.deepEqual(valuesOf(answer.rawHeaders, 'x-several'), ['1', '2'])
  t.deepEqual(valuesOf(answer.rawHeaders, 'x-one'), ['1', '3'])
})

test('what the host says of another body does not go with the app’s', async (t) => {
  const app = express().use((_req, res, next) => {
    res.setHeader('etag', '"host"')
    res.setHeader('content-encoding', 'gzip')
    res.setHeader('content-length', '7')
    res.setHeader('content-range', 'bytes 0-6/7')
    res.setHeader('x-kept', 'yes')
    next()
  }, responses)
  const { url } = await serve(t, app)
  for (const path of ['/with_length', '/duplicates']) {
    const { headers } = await request(url + path)
    t.is(headers['x-kept'], 'yes')
    for (const name of ['etag', 'content-encoding', 'content-range']) t.is(headers[name], undefined)
    t.not(headers['content-length'], '7')
  }
})

test('cookies set before are kept beside those of the app', async (t) => {
  // A session cookie of the host must survive an app that sets one of its own.
  const app = express()
  app.use((_req, res, next) => {
    res.cookie('session', 'host')
    next()
  }, responses)
  const answer = await request(`${(await serve(t, app)).url}/duplicates`)
  t.deepEqual(valuesOf(answer.rawHeaders, 'set-cookie'), [
    'session=host; Path=/',
    'a=1; Path=/',
    'b=2; Path=/',
    'a=4; Path=/',
  ])
})

test('a status set before does not leak into the response', async (t) => {
  const app = express()
  app.use((_req, res, next) => {
    res.status(404)
    res.statusMessage = 'Not Here'
    next()
  }, responses)
  const answer = await request(`${(await serve(t, app)).url}/with_length`)
  t.is(answer.status, 200)
  t.is(answer.reason, 'OK')
})

test('a stream through Express is framed, and its connection goes on', async (t) => {
  const { port } = await serve(t, express().use(responses))
  const connection = await RawConnection.open(t, port)
  for (let index = 0; index < 2; index++) {
    connection.write('GET /empty_chunks HTTP/1.1\r\nHost: test\r\n\r\n')
    const { headers, body } = await connection.response()
    t.deepEqual(valuesOf(headers.flat(), 'transfer-encoding'), ['chunked'])
    t.is(body, 'abc')
  }
})

for (const [name, value] of [
  ['Content-Length', '1'],
  ['Transfer-Encoding', 'chunked'],
  ['Connection', 'close'],
] as const) {
  test(`a ${name} set before does not harm the framing`, async (t) => {
    const app = express()
    app.use((_req, res, next) => {
      res.setHeader(name, value)
      next()
    }, responses)
    const { port } = await serve(t, app)
    for (const [path, expected, header] of [
      ['with_length', '12345', 'content-length'],
      ['empty_chunks', 'abc', 'transfer-encoding'],
      ['no_headers', 'ok', 'content-length'],
    ] as const) {
      const connection = await RawConnection.open(t, port)
      connection.write(`GET /${path} HTTP/1.1\r\nHost: test\r\n\r\n`)
      const { headers, body } = await connection.response()
      t.is(body, expected)
      const framing = headers.map(([key]) => key).filter((key) => /^(content-length|transfer-encoding)$/.test(key))
      t.deepEqual(framing, [header])
    }
  })
}

test('a middleware that watches the end of the response sees it', async (t) => {
  const app = express()
  const finished = new Promise<number>((resolve) => {
    app.use((_req, res, next) => {
      res.on('finish', () => resolve(res.statusCode))
      next()
    }, responses)
  })
  await request(`${(await serve(t, app)).url}/with_length`)
  t.is(await finished, 200)
})

/** POSTs through a parser and gives what Python received. */
async function post(t: ExecutionContext, parser: RequestHandler, body: string | Uint8Array, type: string) {
  const app = express().use(parser, echo)
  const errors = catchErrors(app)
  const { url } = await serve(t, app)
  const length = String(Buffer.byteLength(body))
  const answer = await request(url, {
    method: 'POST',
    headers: { 'content-type': type, 'content-length': length },
    body,
  })
  return { answer, errors }
}

test('an unread body is streamed', async (t) => {
  const body = randomBytes(300_000)
  const { answer } = await post(t, (_req, _res, next) => next(), body, 'application/octet-stream')
  t.deepEqual(answer.body, body)
})

test('a body that express.raw() has read is used', async (t) => {
  const body = randomBytes(50_000)
  const { answer } = await post(t, express.raw(), body, 'application/octet-stream')
  t.deepEqual(answer.body, body)
})

test('a body that express.text() has read is used', async (t) => {
  const { answer } = await post(t, express.text(), 'naïve ☃', 'text/plain; charset=utf-8')
  t.is(answer.text, 'naïve ☃')
})

test('a rawBody that a parser has kept is used', async (t) => {
  const keep = express.json({
    verify: (req: IncomingMessage & { rawBody?: Buffer }, _res, bytes) => {
      req.rawBody = bytes
    },
  })
  const { answer } = await post(t, keep, '{ "exactly":   "this" }', 'application/json')
  t.is(answer.text, '{ "exactly":   "this" }')
})

for (const [name, parser, type, body] of [
  ['express.json()', express.json(), 'application/json', '{"a":1}'],
  ['express.urlencoded()', express.urlencoded(), 'application/x-www-form-urlencoded', 'a=1'],
] as const) {
  test(`a body that ${name} has parsed is an error that names the remedy`, async (t) => {
    const { answer, errors } = await post(t, parser, body, type)
    t.is(answer.status, 599)
    t.true(errors[0] instanceof AmphisError)
    t.like(errors[0], { code: 'AMPHIS_ERR_BODY_CONSUMED' })
    t.regex(String(errors[0]?.message), /before|rawBody/)
  })
}

test('a body that somebody has read and thrown away is the same error', async (t) => {
  const drain: RequestHandler = (req, _res, next) => {
    req.on('end', () => next()).resume()
  }
  const { errors } = await post(t, drain, 'gone', 'text/plain')
  t.like(errors[0], { code: 'AMPHIS_ERR_BODY_CONSUMED' })
})

for (const [name, keep] of [
  ['rawBody', (req, bytes) => Object.assign(req, { rawBody: bytes })],
  ['body', (req, bytes) => Object.assign(req, { body: bytes })],
] as [string, (req: IncomingMessage, bytes: Buffer) => void][]) {
  test(`the app sees a ${name} as it was handed over, though it is overwritten then`, async (t) => {
    await bodies.ready()
    const bytes = randomBytes(100_000)
    const sha256 = createHash('sha256').update(bytes).digest('hex')
    const app = express()
    app.use(express.raw(), (req, res) => {
      const parsed = req.body as Buffer
      req.body = undefined
      keep(req, parsed)
      bodies.middleware(req, res, (error) => res.status(500).end(String(error)))
      // Pools of buffers do so.
      parsed.fill(0)
    })
    const { url } = await serve(t, app)
    const id = unique()
    const headers = { 'content-type': 'application/octet-stream', 'content-length': String(bytes.length) }
    const pending = request(`${url}/late_digest?${id}`, { method: 'POST', headers, body: bytes })
    await probe.wait(`${id}:started`)
    await probe.tell(`${id}:go`)
    t.is((await pending).json(), sha256)
  })
}

test('a parser does no harm to a request without a body', async (t) => {
  const app = express().use(express.json(), express.urlencoded(), echo)
  const { url } = await serve(t, app)
  t.like(await request(url), { status: 200, text: '' })
  t.like(
    await request(url, { method: 'POST', headers: { 'content-length': '0', 'content-type': 'application/json' } }),
    {
      status: 200,
      text: '',
    },
  )
})

test('a parser does no harm to a body that it leaves alone', async (t) => {
  const { answer } = await post(t, express.json(), 'not json', 'text/plain')
  t.is(answer.text, 'not json')
})

test('a request that was paused by an asynchronous middleware keeps its body', async (t) => {
  const wait: RequestHandler = (_req, _res, next) => void setImmediate(() => setImmediate(next))
  const body = randomBytes(200_000)
  const { answer } = await post(t, wait, body, 'application/octet-stream')
  t.deepEqual(answer.body, body)
})

test('a request that was paused before its body has come keeps its body', async (t) => {
  const app = express().use((req, _res, next) => {
    req.pause()
    next()
  }, bodies.middleware)
  const { port } = await serve(t, app)
  const connection = await RawConnection.open(t, port)
  const name = unique()
  connection.write(`POST /stepwise?${name} HTTP/1.1\r\nHost: test\r\nContent-Length: 10\r\n\r\n`)
  for (const [index, part] of ['first', 'last!'].entries()) {
    connection.write(part)
    t.is(await probe.wait(`${name}:${index}`), part)
  }
  t.is((await connection.response()).status, 200)
})

test('a middleware that adds headers at the last moment does', async (t) => {
  // The way of `on-headers`, which sessions and response times use.
  const app = express()
  app.use((_req, res, next) => {
    const writeHead = res.writeHead
    res.writeHead = function (this: typeof res, ...args: Parameters<typeof writeHead>) {
      res.setHeader('X-Late', 'yes')
      return Reflect.apply(writeHead, this, args)
    } as typeof writeHead
    next()
  }, responses)
  const { url } = await serve(t, app)
  for (const [path, body] of [
    ['duplicates', 'ok'],
    ['empty_chunks', 'abc'],
  ] as const) {
    const answer = await request(`${url}/${path}`)
    t.deepEqual(valuesOf(answer.rawHeaders, 'x-late'), ['yes'])
    t.is(answer.text, body)
  }
  t.deepEqual(valuesOf((await request(`${url}/duplicates`)).rawHeaders, 'set-cookie').length, 3)
})

test('a middleware that rewrites the body sees all of it', async (t) => {
  // The way of `compression`: the length goes when the head does, and write and end are replaced.
  const app = express()
  const seen: unknown[] = []
  app.use((_req, res, next) => {
    const { write, end, writeHead } = res
    const rewritten = (chunk: string | Uint8Array, encoding: BufferEncoding) => {
      const bytes = typeof chunk === 'string' ? Buffer.from(chunk, encoding) : Buffer.from(chunk)
      return `${bytes.toString().toUpperCase()}.`
    }
    res.writeHead = ((...args: Parameters<typeof writeHead>) => {
      seen.push(res.getHeader('content-length'))
      res.removeHeader('content-length')
      return Reflect.apply(writeHead, res, args)
    }) as typeof writeHead
    res.write = ((chunk: string | Uint8Array, encoding: BufferEncoding) =>
      Reflect.apply(write, res, [rewritten(chunk, encoding)])) as typeof write
    res.end = ((chunk: string | Uint8Array | undefined, encoding: BufferEncoding) => {
      if (chunk !== undefined) Reflect.apply(write, res, [rewritten(chunk, encoding)])
      return Reflect.apply(end, res, [])
    }) as typeof end
    next()
  }, responses)
  const { url } = await serve(t, app)
  t.is((await request(`${url}/empty_chunks`)).text.replaceAll('.', ''), 'ABC')
  t.is((await request(`${url}/with_length`)).text, '12345.')
  t.deepEqual(seen, [undefined, '5'])
})

test('a middleware that takes the listeners of drain over gets one', async (t) => {
  // The way of `compression`: what is written goes through a stream, whose drain stands for that of the response.
  const app = express()
  let listeners = 0
  let drains = 0
  app.use((_req, res, next) => {
    const write = res.write.bind(res)
    const end = res.end.bind(res)
    const { on } = res
    // Asynchronous, as zlib is.
    const transform: Transform['_transform'] = (chunk, _encoding, done) => void setImmediate(done, null, chunk)
    const stream = new Transform({ transform })
    stream.on('drain', () => drains++)
    stream.on('data', (chunk: Buffer) => {
      if (!write(chunk)) stream.pause()
    })
    stream.on('end', () => end())
    res.on('drain', () => stream.resume())
    res.write = ((chunk: string | Uint8Array, encoding: BufferEncoding) =>
      stream.write(Buffer.from(chunk as string, encoding))) as typeof res.write
    res.end = ((chunk: string | Uint8Array | undefined, encoding: BufferEncoding) => {
      stream.end(chunk === undefined ? undefined : Buffer.from(chunk as string, encoding))
      return res
    }) as typeof res.end
    res.on = ((event: string, listener: () => void) => {
      if (event !== 'drain') return Reflect.apply(on, res, [event, listener])
      listeners++
      stream.on(event, listener)
      return res
    }) as typeof res.on
    next()
  }, responses)
  const { url } = await serve(t, app)
  const answer = await request(`${url}/large?pieces`)
  t.is(createHash('sha256').update(answer.body).digest('hex'), String(answer.headers['x-sha256']))
  t.true(drains > 10, `${drains} drains`)
  t.is(listeners, 1)
})

test('a middleware whose write throws loses its own connection only', async (t) => {
  const logger = new Recorder()
  const app = express()
  app.use(
    (req, res, next) => {
      if (req.query.broken !== undefined) {
        res.write = () => {
          throw new Error('the middleware is broken')
        }
      }
      next()
    },
    createHandler(t, { app: 'responses:app', logger }).middleware,
  )
  const { url } = await serve(t, app)
  await t.throwsAsync(request(`${url}/empty_chunks?broken`))
  t.is((await logger.waitForError()).message, 'the middleware is broken')
  t.is((await request(`${url}/empty_chunks`)).text, 'abc')
})

test('a request whose stream was set to text keeps its body', async (t) => {
  const decode: RequestHandler = (req, _res, next) => {
    req.setEncoding('utf8')
    next()
  }
  const { answer } = await post(t, decode, 'naïve ☃', 'text/plain')
  t.is(answer.text, 'naïve ☃')
})

test('serves as plain Connect middleware, without Express', async (t) => {
  const { url } = await serve(t, (req, res) => scope(req, res, (error) => res.writeHead(599).end(String(error))))
  const seen = (await request(`${url}/plain?q`)).json() as SeenScope
  t.like(seen, { root_path: '', path: '/plain', query_string: { bytes: 'q' } })
})

test('several apps live on one server', async (t) => {
  const app = express()
    .use('/scope', scope)
    .use('/echo', echo)
    .get('/js', (_req, res) => void res.send('JavaScript'))
  const { url } = await serve(t, app)
  const [first, second, third] = await Promise.all([
    request(`${url}/scope`),
    request(`${url}/echo`, { method: 'POST', body: 'body' }),
    request(`${url}/js`),
  ])
  t.like(first.json(), { root_path: '/scope' })
  t.is(second.text, 'body')
  t.is(third.text, 'JavaScript')
})

test('a HEAD request through Express has no body', async (t) => {
  const { port } = await serve(t, express().use(responses))
  const connection = await RawConnection.open(t, port)
  connection.write('HEAD /with_length HTTP/1.1\r\nHost: test\r\n\r\nGET /with_length HTTP/1.1\r\nHost: test\r\n\r\n')
  const head = await connection.response('head')
  t.deepEqual(valuesOf(head.headers.flat(), 'content-length'), ['5'])
  t.is((await connection.response()).body, '12345')
  t.true(pairsOf(head.headers.flat()).length > 0)
})

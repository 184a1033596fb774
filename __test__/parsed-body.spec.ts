import type { IncomingMessage } from 'node:http'
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib'
import test, { type ExecutionContext } from 'ava'
import express, { type ErrorRequestHandler, type RequestHandler } from 'express'
import type { AmphisError, PythonHandler } from '../index.js'
import { request } from './helpers/client.js'
import { express4 } from './helpers/hosts.js'
import { openSession, request as requestHttp2 } from './helpers/http2-client.js'
import { createHandler, shareHandler } from './helpers/python.js'
import { serve, serveH2c } from './helpers/server.js'

// Bodies that a host's parser has read: what is left of them, and what the head says of it.

const plain = shareHandler('parsed:app')
const reusing = shareHandler({ app: 'parsed:app', reuseParsedBody: true })

const JSON_TYPE = 'application/json'
const FORM_TYPE = 'application/x-www-form-urlencoded'

interface Seen {
  body: string
  headers: [string, string][]
}

interface Sent {
  body: string | Uint8Array
  type?: string
  encoding?: string
  isChunked?: boolean
}

const hosts = { 'Express 5': express, 'Express 4': express4 }
type HostName = keyof typeof hosts

/** POSTs to an app behind a parser. */
async function post(
  t: ExecutionContext,
  handler: PythonHandler,
  parser: RequestHandler,
  { body, type = JSON_TYPE, encoding, isChunked = false }: Sent,
  host: HostName = 'Express 5',
) {
  const errors: AmphisError[] = []
  const answerError: ErrorRequestHandler = (error: AmphisError, _req, res, _next) => {
    errors.push(error)
    res.writeHead(599).end()
  }
  const app = hosts[host]().use(parser).use('/api', handler.middleware).use(answerError)
  const { url } = await serve(t, app)
  const length: Record<string, string> = isChunked
    ? { 'transfer-encoding': 'chunked' }
    : { 'content-length': String(Buffer.byteLength(body)) }
  const headers = { 'content-type': type, ...(encoding && { 'content-encoding': encoding }), ...length }
  const answer = await request(`${url}/api/x`, { method: 'POST', headers, body })
  const seen = answer.status === 200 ? (answer.json() as Seen) : undefined
  const about = (name: string) => seen?.headers.filter(([other]) => other === name).map(([, value]) => value)
  return { status: answer.status, body: seen && Buffer.from(seen.body, 'latin1').toString(), about, errors }
}

const keepBytes = {
  verify: (req: IncomingMessage & { rawBody?: Buffer }, _res: unknown, bytes: Buffer) => {
    req.rawBody = bytes
  },
}

for (const [encoding, compress] of [
  ['gzip', gzipSync],
  ['deflate', deflateSync],
  ['br', brotliCompressSync],
] as const) {
  for (const [what, parser, type] of [
    ['express.raw()', express.raw(), 'application/octet-stream'],
    ['express.text()', express.text(), 'text/plain'],
    ['rawBody of express.json()', express.json(keepBytes), JSON_TYPE],
  ] as const) {
    for (const isChunked of [false, true]) {
      test(`${encoding}, ${isChunked ? 'chunked' : 'with a length'}, inflated by ${what}: the head says what there is`, async (t) => {
        const text = JSON.stringify({ text: 'naïve '.repeat(100) })
        const seen = await post(t, plain, parser, { body: compress(text), type, encoding, isChunked })
        t.is(seen.body, text)
        t.deepEqual(seen.about('content-encoding'), [])
        t.deepEqual(seen.about('transfer-encoding'), [])
        t.deepEqual(seen.about('content-length'), [String(Buffer.byteLength(text))])
        t.deepEqual(seen.about('content-type'), [type])
      })
    }
  }
}

test('the wire’s own bytes keep their head', async (t) => {
  const text = '{ "a":   1 }'
  const seen = await post(t, plain, express.json(keepBytes), { body: text })
  t.is(seen.body, text)
  t.deepEqual(seen.about('content-length'), ['12'])
  // Collected by a host that inflates nothing.
  const collect: RequestHandler = (req, _res, next) => {
    const chunks: Buffer[] = []
    req.on('data', (chunk: Buffer) => chunks.push(chunk))
    req.on('end', () => {
      Object.assign(req, { rawBody: Buffer.concat(chunks) })
      next()
    })
  }
  const body = gzipSync(text)
  const compressed = await post(t, plain, collect, { body, encoding: 'gzip' })
  t.deepEqual(compressed.about('content-encoding'), ['gzip'])
  t.deepEqual(compressed.about('content-length'), [String(body.length)])
})

test('a text that was decoded from another charset says that it is UTF-8', async (t) => {
  const body = Buffer.from('naïve', 'latin1')
  const seen = await post(t, plain, express.text(), { body, type: 'text/plain; charset=iso-8859-1; x=y' })
  t.is(seen.body, 'naïve')
  t.deepEqual(seen.about('content-type'), ['text/plain; charset=utf-8; x=y'])
  t.deepEqual(seen.about('content-length'), ['6'])
})

for (const host of Object.keys(hosts) as HostName[]) {
  const { json, urlencoded } = hosts[host]

  test(`${host}: without reuseParsedBody the error shows the lines to change`, async (t) => {
    const { status, errors } = await post(t, plain, json(), { body: '{"a":1}' }, host)
    t.is(status, 599)
    t.is(errors[0]?.code, 'AMPHIS_ERR_BODY_CONSUMED')
    const message = errors[0]?.message ?? ''
    t.true(message.includes("app.use('/api', python.middleware)"), message)
    t.true(message.includes('app.use(express.json())'))
    t.true(message.includes('verify: (req, res, bytes) => { req.rawBody = bytes }'))
    t.true(message.includes('reuseParsedBody'))
    t.true(message.includes('POST /api/x'))
  })

  for (const [what, body, expected = body] of [
    ['an object', '{"a":[1,2,{"b":null}],"c":"naïve ☃"}'],
    ['a list', '[1,"2",true]'],
    ['white space', '{ "a" :\n1 }', '{"a":1}'],
    ['an empty object', '{}'],
  ] as const) {
    for (const isChunked of [false, true]) {
      test(`${host}: reuseParsedBody sends ${what} again${isChunked ? ', which came in chunks' : ''}`, async (t) => {
        const seen = await post(t, reusing, json(), { body, isChunked }, host)
        t.is(seen.body, expected)
        t.deepEqual(seen.about('content-length'), [String(Buffer.byteLength(expected))])
        t.deepEqual(seen.about('transfer-encoding'), [])
      })
    }
  }

  test(`${host}: reuseParsedBody takes other types of JSON, charsets and compressed ones`, async (t) => {
    const parser = json({ type: () => true })
    const other = await post(t, reusing, parser, { body: '{"a":1}', type: 'application/problem+json' }, host)
    t.is(other.body, '{"a":1}')
    const type = 'application/json; charset=utf-16le'
    const wide = await post(t, reusing, parser, { body: Buffer.from('{"a":"ï"}', 'utf16le'), type }, host)
    t.is(wide.body, '{"a":"ï"}')
    t.deepEqual(wide.about('content-type'), ['application/json; charset=utf-8'])
    const small = await post(t, reusing, parser, { body: gzipSync('{"a":1}'), encoding: 'gzip' }, host)
    t.is(small.body, '{"a":1}')
    t.deepEqual(small.about('content-encoding'), [])
  })

  for (const body of ['null', '7', 'true', '"a text"', '"7"']) {
    test(`${host}: reuseParsedBody sends ${body} of a parser that is not strict`, async (t) => {
      t.is((await post(t, reusing, json({ strict: false }), { body }, host)).body, body)
    })
  }

  for (const extended of [true, false]) {
    for (const body of ['a=1&b=x+y%26z&c=&d=na%C3%AFve', 'a=1&a=2&b=3', 'a=1']) {
      test(`${host}: reuseParsedBody sends the form ${body} again, extended ${extended}`, async (t) => {
        const seen = await post(t, reusing, urlencoded({ extended }), { body, type: FORM_TYPE }, host)
        t.is(seen.body, body)
        t.deepEqual(seen.about('content-length'), [String(body.length)])
      })
    }
  }

  for (const body of ['a[b]=1', 'a[]=1', 'a[]=1&a[]=2', 'a[0]=1&a[1]=2', 'a%5B%5D=1&a%5B%5D=2']) {
    test(`${host}: reuseParsedBody does not guess how the form ${body} was written`, async (t) => {
      const { errors } = await post(t, reusing, urlencoded({ extended: true }), { body, type: FORM_TYPE }, host)
      t.is(errors[0]?.code, 'AMPHIS_ERR_BODY_CONSUMED')
      t.regex(errors[0]?.message ?? '', /reuseParsedBody/)
    })
  }
}

test('a rawBody goes before what a parser has made', async (t) => {
  const body = '{ "id": 12345678901234567890 }'
  t.is((await post(t, reusing, express.json(keepBytes), { body })).body, body)
})

for (const [what, type, parsed] of [
  ['another type', 'multipart/form-data; boundary=x', { a: '1' }],
  ['nothing left', JSON_TYPE, undefined],
  ['a circle', JSON_TYPE, Object.assign([] as unknown[], { 0: [] as unknown[] })],
  ['a big integer', JSON_TYPE, { a: 1n }],
  ['a form of numbers', FORM_TYPE, { a: 1 }],
  ['a form that is none', FORM_TYPE, null],
] as const) {
  test(`reuseParsedBody: ${what} is the same error`, async (t) => {
    if (what === 'a circle') (parsed as unknown[])[0] = parsed
    const parser: RequestHandler = (req, _res, next) => {
      req.on('end', () => {
        req.body = parsed
        next()
      })
      req.resume()
    }
    const { errors } = await post(t, reusing, parser, { body: 'x', type })
    t.is(errors[0]?.code, 'AMPHIS_ERR_BODY_CONSUMED')
  })
}

test('maxBodySize counts what is sent again', async (t) => {
  const handler = createHandler(t, { app: 'parsed:app', reuseParsedBody: true, maxBodySize: 5 })
  const { errors } = await post(t, handler, express.json(), { body: '{"a":1}', isChunked: true })
  t.is(errors[0]?.code, 'AMPHIS_ERR_BODY_TOO_LARGE')
})

test('a parsed body is what it is when the handler is called, also while Python starts', async (t) => {
  const handler = createHandler(t, { app: 'parsed:app', reuseParsedBody: true })
  const { url } = await serve(t, (req, res) => {
    const bytes = Buffer.from('{"a":1}')
    const other = req as IncomingMessage & { rawBody?: Uint8Array }
    req.on('end', () => {
      other.rawBody = bytes
      handler.middleware(req, res, (error) => res.writeHead(599).end(String(error)))
      bytes.fill(0)
      delete other.rawBody
    })
    req.resume()
  })
  const answer = await request(url, { method: 'POST', body: '{"a":1}', headers: { 'content-length': '7' } })
  t.is((answer.json() as Seen).body, '{"a":1}')
})

test('over HTTP/2 as well', async (t) => {
  const { url } = await serveH2c(t, (req, res) => {
    req.on('end', () => {
      Object.assign(req, { body: { a: [1] } })
      reusing.middleware(req, res, (error) => res.writeHead(599).end(String(error)))
    })
    req.resume()
  })
  const session = await openSession(t, url)
  const headers = { ':method': 'POST', 'content-type': JSON_TYPE, 'content-encoding': 'gzip' }
  const seen = (await requestHttp2(session, headers, gzipSync('{"a": [1]}'))).json() as Seen
  t.is(seen.body, '{"a":[1]}')
  t.deepEqual(
    seen.headers.filter(([name]) => name.startsWith('content-')),
    [
      ['content-type', JSON_TYPE],
      ['content-length', '9'],
    ],
  )
})

test('reuseParsedBody is true or false', (t) => {
  t.throws(() => createHandler(t, { app: 'parsed:app', reuseParsedBody: 'json' as never }), {
    code: 'AMPHIS_ERR_INVALID_OPTIONS',
  })
})

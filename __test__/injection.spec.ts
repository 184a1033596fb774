import { METHODS } from 'node:http'
import test from 'ava'
import fc from 'fast-check'
import { AmphisError } from '../index.js'
import { shareHandler } from './helpers/python.js'
import { RawConnection } from './helpers/raw-connection.js'
import { Recorder } from './helpers/recorder.js'
import { serve } from './helpers/server.js'

const scope = shareHandler('scope:app')
const logger = new Recorder()
const forge = shareHandler({ app: 'forge:app', logger })
const responses = shareHandler('responses:app')

interface SeenScope {
  method: string
  raw_path: { bytes: string }
  query_string: { bytes: string }
  headers: { tuple: [{ bytes: string }, { bytes: string }] }[]
}

/** What no part of a request or of a response's head may hold. */
const forbidden = /[\0\r\n\u0100-\uffff]/

/** Text in which the dangerous characters are as common as the harmless ones. */
const text = fc.string({
  unit: fc.oneof(
    { weight: 6, arbitrary: fc.constantFrom('a', 'Z', '0', '-', '_', '/', '.') },
    { weight: 2, arbitrary: fc.constantFrom(' ', ':', '?', '#', '%', ';', ',', '\t', '"') },
    { weight: 1, arbitrary: fc.constantFrom('\0', '\r', '\n', '\r\n', '\u0001', '\u007f') },
    { weight: 1, arbitrary: fc.constantFrom('\u0080', '\u00e9', '\u00ff') },
    // U+0100, U+010A and U+010D are NUL, LF and CR to whoever cuts them to a byte.
    { weight: 1, arbitrary: fc.constantFrom('\u0100', '\u010a', '\u010d', '\u2028', '\ud800', '\udc00', '\u{1f40d}') },
  ),
  maxLength: 12,
})

const token = fc.stringMatching(/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,12}$/)
const fieldValue = fc.stringMatching(/^[\x21-\x7e\x80-\xff]([\t\x20-\x7e\x80-\xff]{0,12}[\x21-\x7e\x80-\xff])?$/)

const flatHeaders = (pairs: [string, string][]) => pairs.flat()

async function see(request: Parameters<typeof scope.handle>[0]): Promise<SeenScope | AmphisError> {
  try {
    return (await (await scope.handle(request)).json()) as SeenScope
  } catch (error) {
    if (error instanceof AmphisError && error.code === 'AMPHIS_ERR_INVALID_REQUEST') return error
    throw error
  }
}

const seenHeaders = (seen: SeenScope) => seen.headers.map(({ tuple: [name, value] }) => [name.bytes, value.bytes])

test.serial('through handle() a request arrives exactly as given or is refused', async (t) => {
  const requests = fc.record({
    method: fc.oneof(fc.constantFrom('GET', 'POST'), text),
    target: text,
    headers: fc.array(fc.tuple(fc.oneof(token, text), text), { maxLength: 4 }),
  })
  let accepted = 0
  let refused = 0
  await fc.assert(
    fc.asyncProperty(requests, async ({ method, target, headers }) => {
      const url = `/${target}`
      const seen = await see({ method, url, headers: flatHeaders(headers) })
      if (seen instanceof Error) {
        refused++
        return true
      }
      accepted++
      const all = [method, url, ...headers.flat()]
      if (all.some((part) => forbidden.test(part))) return false
      const [path = '', ...query] = url.split('?')
      return (
        seen.method === method &&
        seen.raw_path.bytes === path &&
        seen.query_string.bytes === query.join('?') &&
        JSON.stringify(seenHeaders(seen)) ===
          JSON.stringify(headers.map(([name, value]) => [name.toLowerCase(), value]))
      )
    }),
    { numRuns: 2000 },
  )
  // A fuzz in which everything was refused, or nothing, would show nothing.
  t.true(accepted > 100, `${accepted} accepted`)
  t.true(refused > 100, `${refused} refused`)
})

test.serial('through handle() every well-formed request is taken', async (t) => {
  const requests = fc.record({
    method: fc.constantFrom(...METHODS.filter((method) => method !== 'HEAD')),
    target: fc.stringMatching(/^[A-Za-z0-9/._~%!$&'()*+,;=:@-]{0,20}$/),
    query: fc.stringMatching(/^[A-Za-z0-9/._~%!$&'()*+,;=:@?-]{0,20}$/),
    headers: fc.array(fc.tuple(token, fieldValue), { maxLength: 8 }),
  })
  await fc.assert(
    fc.asyncProperty(requests, async ({ method, target, query, headers }) => {
      const seen = await see({ method, url: `/${target}?${query}`, headers: flatHeaders(headers) })
      if (seen instanceof Error) return false
      return (
        seen.method === method &&
        seen.raw_path.bytes === `/${target}` &&
        seen.query_string.bytes === query &&
        JSON.stringify(seenHeaders(seen)) ===
          JSON.stringify(headers.map(([name, value]) => [name.toLowerCase(), value]))
      )
    }),
    { numRuns: 1000 },
  )
  t.pass()
})

for (const [name, character] of [
  ['NUL', '\0'],
  ['CR', '\r'],
  ['LF', '\n'],
  ['U+0100, which is NUL when cut to a byte', '\u0100'],
  ['U+010D U+010A, which are CR LF when cut to bytes', '\u010d\u010a'],
  ['a lone surrogate', '\ud800'],
] as const) {
  for (const [where, request] of [
    ['the method', { method: `GE${character}T`, url: '/' }],
    ['the url', { url: `/a${character}b` }],
    ['the query', { url: `/?a${character}b` }],
    ['a header name', { url: '/', headers: [`x${character}y`, 'value'] }],
    ['a header value', { url: '/', headers: ['x-name', `a${character}x-forged: yes`] }],
    ['a header name of an object', { url: '/', headers: { [`x${character}y`]: 'value' } }],
    ['a header value of an object', { url: '/', headers: { 'x-name': ['fine', `a${character}b`] } }],
  ] as const) {
    test(`${name} in ${where} is refused`, async (t) => {
      const failure = await t.throwsAsync(scope.handle(request), { code: 'AMPHIS_ERR_INVALID_REQUEST' })
      t.true(failure.message.length > 20, failure.message)
    })
  }
}

for (const [where, request] of [
  ['an empty method', { method: '', url: '/' }],
  ['a method with a space', { method: 'GET /evil', url: '/' }],
  ['an empty url', { url: '' }],
  ['an empty header name', { url: '/', headers: ['', 'value'] }],
  ['a header name with a colon', { url: '/', headers: ['x: y', 'value'] }],
  ['a header name with a space', { url: '/', headers: ['x y', 'value'] }],
] as const) {
  test(`${where} is refused`, async (t) => {
    await t.throwsAsync(scope.handle(request), { code: 'AMPHIS_ERR_INVALID_REQUEST' })
  })
}

test.serial('response headers reach the wire exactly as given or the app gets an error', async (t) => {
  const { port } = await serve(t, forge.listener)
  const latin = fc.string({
    unit: fc.oneof(
      { weight: 6, arbitrary: fc.constantFrom('a', 'Z', '0', '-', '_') },
      { weight: 2, arbitrary: fc.constantFrom(' ', ':', ';', '\t', '"', '\u00e9', '\u00ff') },
      { weight: 1, arbitrary: fc.constantFrom('\0', '\r', '\n', '\r\n', '\u0001', '\u007f') },
    ),
    maxLength: 10,
  })
  const pairs = fc.array(
    fc.tuple(
      fc.oneof(token, latin).map((name) => `x-${name}`),
      latin,
    ),
    { maxLength: 4 },
  )
  const baseline = await ask([])
  let accepted = 0
  let refused = 0
  await fc.assert(
    fc.asyncProperty(pairs, async (headers) => {
      const seen = await ask(headers)
      if (seen.status === 500) {
        refused++
        // Nothing well-formed is refused.
        return !headers.every(
          ([name, value]) => /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(name) && /^[\t\x20-\x7e\x80-\xff]*$/.test(value),
        )
      }
      accepted++
      const added = seen.lines.filter((line) => line.startsWith('x-'))
      return (
        seen.body === 'sent' &&
        seen.lines.length === baseline.lines.length + headers.length &&
        JSON.stringify(added.map((line) => line.trimEnd())) ===
          JSON.stringify(headers.map(([name, value]) => `${name}: ${value}`.trimEnd()))
      )
    }),
    { numRuns: 500 },
  )
  t.true(accepted > 50, `${accepted} accepted`)
  t.true(refused > 50, `${refused} refused`)

  /** The lines of the head, as they came, for headers that the app is asked to send. */
  async function ask(headers: [string, string][]) {
    const body = JSON.stringify(headers)
    const connection = await RawConnection.open(t, port)
    connection.write(
      `POST / HTTP/1.1\r\nHost: test\r\nConnection: close\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n` +
        Buffer.from(body).toString('latin1'),
    )
    const response = await connection.response()
    connection.leave()
    return { status: response.status, body: response.body, lines: response.head.split('\r\n').slice(1) }
  }
})

test.serial('response headers reach handle() exactly as given or the app gets an error', async (t) => {
  const latin = fc.string({
    unit: fc.integer({ min: 0, max: 255 }).map((code) => String.fromCodePoint(code)),
    maxLength: 8,
  })
  const pairs = fc.array(fc.tuple(fc.oneof(token, latin), latin), { maxLength: 3 })
  await fc.assert(
    fc.asyncProperty(pairs, async (all) => {
      // The headers of the hop and the framing have rules of their own.
      const headers = all.filter(
        ([name]) =>
          !/^(connection|keep-alive|te|trailer|upgrade|transfer-encoding|content-length|proxy-.*)$/i.test(name),
      )
      try {
        const response = await forge.handle({ method: 'POST', url: '/', body: JSON.stringify(headers) })
        await response.bytes()
        return (
          // The length of a whole body is added where the app leaves it out.
          JSON.stringify(response.rawHeaders) === JSON.stringify([...headers.flat(), 'content-length', '4']) &&
          !headers.flat().some((part) => /[\0\r\n]/.test(part))
        )
      } catch {
        return headers.some(
          ([name, value]) => !/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(name) || /[^\t\x20-\x7e\x80-\xff]/.test(value),
        )
      }
    }),
    { numRuns: 1000 },
  )
  t.pass()
})

test('a raw request cannot smuggle a second one past content-length', async (t) => {
  const { port } = await serve(t, scope.listener)
  for (const framing of [
    'Content-Length: 4\r\nTransfer-Encoding: chunked',
    'Content-Length: 4\r\nContent-Length: 5',
    'Content-Length: +4',
    'Transfer-Encoding: chunked, identity',
  ]) {
    const connection = await RawConnection.open(t, port)
    connection.write(
      `POST / HTTP/1.1\r\nHost: test\r\n${framing}\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: test\r\n\r\n`,
    )
    const { text: answer } = await connection.rest()
    t.regex(answer, /^HTTP\/1\.1 400/, framing)
    t.notRegex(answer, /smuggled/, framing)
  }
})

test('escaped CR and LF in a path stay in the path', async (t) => {
  const { port } = await serve(t, responses.listener)
  const connection = await RawConnection.open(t, port)
  connection.write('GET /no_headers%0D%0Ax-forged:%20yes HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n')
  const { text: answer } = await connection.rest()
  t.notRegex(answer, /forged/)
  t.regex(answer, /^HTTP\/1\.1 500/)
})

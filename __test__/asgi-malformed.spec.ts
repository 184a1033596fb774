import test from 'ava'
import express, { type ErrorRequestHandler } from 'express'
import { PythonError } from '../index.js'
import { request } from './helpers/client.js'
import { shareProbe, unique } from './helpers/probe.js'
import { shareHandler } from './helpers/python.js'
import { RawConnection } from './helpers/raw-connection.js'
import { Recorder } from './helpers/recorder.js'
import { serve } from './helpers/server.js'

const logger = new Recorder()
const malformed = shareHandler({ app: 'malformed:app', logger })
const recovering = shareHandler({ app: 'malformed:recovering', logger })
const tooShort = shareHandler({ app: 'malformed:too_short', logger })
const short = shareHandler({ app: 'malformed:short', logger })
const emptyShort = shareHandler({ app: 'malformed:empty_short', logger })
const table = shareHandler('malformed:table')
const probe = shareProbe()

interface Raised {
  at: number
  type: string
  message: string
}

/** The rows of the fixture's table: what the error must be called, and a word that its message must hold. */
const rows: Record<string, [types: string, says: RegExp]> = {
  none: ['TypeError', /dict|message/],
  text: ['TypeError', /dict|message/],
  pair_list: ['TypeError', /dict|message/],
  empty: ['KeyError|ValueError|TypeError', /type/],
  type_bytes: ['TypeError', /type/],
  type_none: ['TypeError', /type/],
  unknown_type: ['ValueError|RuntimeError', /http\.response\.unheard/],
  request_type: ['ValueError|RuntimeError', /http\.request/],
  disconnect_type: ['ValueError|RuntimeError', /http\.disconnect/],
  websocket_type: ['ValueError|RuntimeError', /websocket\.accept/],
  lifespan_type: ['ValueError|RuntimeError', /lifespan\.startup\.complete/],
  pathsend: ['ValueError|RuntimeError', /http\.response\.pathsend/],
  trailers: ['ValueError|RuntimeError', /http\.response\.trailers/],
  body_first: [
    'RuntimeError',
    /http\.response\.body.*http\.response\.start|http\.response\.start.*http\.response\.body/,
  ],
  start_twice: ['RuntimeError', /http\.response\.start/],
  start_after_body: ['RuntimeError', /http\.response\.start/],
  start_after_end: ['RuntimeError', /http\.response\.start/],
  body_after_end: ['RuntimeError', /http\.response\.body/],
  status_missing: ['KeyError|TypeError|ValueError', /status/],
  status_none: ['TypeError', /status/],
  status_text: ['TypeError', /status/],
  status_float: ['TypeError', /status/],
  status_negative: ['ValueError', /status.*-200|-200.*status/],
  status_zero: ['ValueError', /status/],
  status_informational: ['ValueError', /status.*100|100.*status/],
  status_switching: ['ValueError', /status.*101|101.*status/],
  status_1000: ['ValueError', /status.*1000|1000.*status/],
  status_huge: ['ValueError|OverflowError', /status/],
  headers_number: ['TypeError', /headers/],
  headers_text: ['TypeError|ValueError', /header/],
  headers_dict: ['TypeError|ValueError', /header/],
  header_number: ['TypeError|ValueError', /header/],
  header_single: ['TypeError|ValueError', /header/],
  header_triple: ['TypeError|ValueError', /header/],
  header_name_text: ['TypeError', /header.*bytes|bytes.*header/],
  header_value_text: ['TypeError', /header.*bytes|bytes.*header/],
  header_value_none: ['TypeError', /header.*bytes|bytes.*header/],
  header_value_number: ['TypeError', /header.*bytes|bytes.*header/],
  name_empty: ['ValueError', /header/],
  name_space: ['ValueError', /header/],
  name_colon: ['ValueError', /header/],
  name_cr: ['ValueError', /header/],
  name_lf: ['ValueError', /header/],
  name_crlf: ['ValueError', /header/],
  name_nul: ['ValueError', /header/],
  name_latin: ['ValueError', /header/],
  name_pseudo: ['ValueError', /header/],
  value_cr: ['ValueError', /x-value/],
  value_lf: ['ValueError', /x-value/],
  value_crlf: ['ValueError', /x-value/],
  value_nul: ['ValueError', /x-value/],
  value_control: ['ValueError', /x-value/],
  headers_huge: ['ValueError', /headers.*1048576/],
  headers_too_many: ['ValueError', /headers.*1048576/],
  value_delete: ['ValueError', /x-value/],
  length_text: ['ValueError', /content-length/i],
  length_negative: ['ValueError', /content-length/i],
  length_signed: ['ValueError', /content-length/i],
  length_empty: ['ValueError', /content-length/i],
  length_hex: ['ValueError', /content-length/i],
  length_list: ['ValueError', /content-length/i],
  length_huge: ['ValueError', /content-length/i],
  lengths_differ: ['ValueError', /content-length/i],
  body_too_long: ['RuntimeError|ValueError', /content-length/i],
  body_too_long_in_pieces: ['RuntimeError|ValueError', /content-length/i],
  body_after_zero: ['RuntimeError|ValueError', /content-length/i],
  body_text: ['TypeError', /body.*bytes|bytes.*body/],
  body_number: ['TypeError', /body.*bytes|bytes.*body/],
  body_none: ['TypeError', /body.*bytes|bytes.*body/],
  body_list: ['TypeError', /body.*bytes|bytes.*body/],
}

/** Rows whose response is complete when the wrong message comes: the client has it whole. */
const complete = new Set(['start_after_end', 'body_after_end'])

/** How many messages of a row are right, and whether the last of them was a piece of the body. */
let right: Record<string, [count: number, body: boolean]> = {}

test.before(async () => {
  right = (await (await table.handle({ url: '/' })).json()) as typeof right
})

test('every row of the fixture is tested', (t) => {
  t.deepEqual(Object.keys(right).toSorted(), Object.keys(rows).toSorted())
})

for (const [row, [types, says]] of Object.entries(rows)) {
  test(`${row} raises at the send that made it`, async (t) => {
    const name = unique()
    const outcome = malformed.handle({ url: `/${row}?${name}` }).then((response) => response.bytes())
    outcome.catch(() => {})
    const raised = (await probe.wait(name)) as Raised | null
    t.truthy(raised, 'nothing was raised')
    t.is(raised?.at, right[row]?.[0])
    t.regex(String(raised?.type), new RegExp(`^(${types})$`))
    t.regex(String(raised?.message), says)
    // A sentence for the author of the app, not the words of some conversion.
    t.true((raised?.message.length ?? 0) >= 20, raised?.message)
    if (complete.has(row)) await t.notThrowsAsync(outcome)
    else await t.throwsAsync(outcome, { instanceOf: PythonError })
  })

  test(`${row} is a 500 or a cut connection outside`, async (t) => {
    const { port } = await serve(t, malformed.listener)
    const connection = await RawConnection.open(t, port)
    connection.write(`GET /${row}?${unique()} HTTP/1.1\r\nHost: test\r\n\r\n`)
    if (complete.has(row)) {
      t.like(await connection.response(), { status: 200, body: 'ok' })
    } else if (!right[row]?.[1]) {
      // Nothing has been sent before the first piece of the body, not even after the start.
      t.like(await connection.response(), { status: 500, body: 'Internal Server Error' })
    } else {
      const { text } = await connection.rest()
      t.false(isWhole(text), text)
    }
  })
}

/** Whether a client would take this for a whole response that is not an error. */
function isWhole(text: string): boolean {
  const end = text.indexOf('\r\n\r\n')
  if (end === -1) return false
  const [head, body] = [text.slice(0, end), text.slice(end + 4)]
  if (head.startsWith('HTTP/1.1 500')) return false
  const length = /^content-length: *(\d+)/im.exec(head)?.[1]
  if (length !== undefined) return body.length >= Number(length)
  return /^transfer-encoding: *chunked/im.test(head) ? body.endsWith('0\r\n\r\n') : true
}

test('a malformed message goes to next(err) in Express', async (t) => {
  const app = express().use(malformed.middleware)
  const errors: Error[] = []
  const catching: ErrorRequestHandler = (error: Error, _req, res, _next) => {
    errors.push(error)
    res.status(599).end()
  }
  app.use(catching)
  const { url } = await serve(t, app)
  t.is((await request(`${url}/status_text?${unique()}`)).status, 599)
  t.true(errors[0] instanceof PythonError)
  t.regex(String((errors[0] as PythonError).traceback), /send_row/)
})

for (const row of [
  'none',
  'unknown_type',
  'body_first',
  'status_text',
  'headers_number',
  'value_crlf',
  'lengths_differ',
]) {
  test(`an app that catches the error of ${row} may still answer`, async (t) => {
    const response = await recovering.handle({ url: `/${row}?${unique()}` })
    t.is(response.status, 200)
    t.is(await response.json(), 'recovered')
  })
}

for (const [name, handler] of [
  ['short of', short],
  ['missing in spite of', emptyShort],
] as const) {
  test(`a body ${name} its content-length destroys the connection`, async (t) => {
    const { port } = await serve(t, handler.listener)
    const connection = await RawConnection.open(t, port)
    connection.write('GET / HTTP/1.1\r\nHost: test\r\n\r\nGET / HTTP/1.1\r\nHost: test\r\n\r\n')
    const { text } = await connection.rest()
    // Were the connection kept, the next response would be taken for the rest of this body.
    t.true(text.split('HTTP/1.1').length <= 2, text)
    t.false(isWhole(text), text)
  })

  test(`a body ${name} its content-length fails through handle()`, async (t) => {
    const outcome = handler.handle({ url: '/' }).then((response) => response.bytes())
    await t.throwsAsync(outcome, { code: 'AMPHIS_ERR_INCOMPLETE_RESPONSE' })
  })
}

for (const path of ['whole', 'pieces']) {
  test(`an app that catches the error of a body too short may still send the right one: ${path}`, async (t) => {
    const { port } = await serve(t, tooShort.listener)
    const connection = await RawConnection.open(t, port)
    for (let round = 0; round < 2; round++) {
      const name = unique()
      connection.write(`GET /${path}?${name} HTTP/1.1\r\nHost: test\r\n\r\n`)
      const { status, headers, body } = await connection.response()
      t.is(status, 404)
      t.deepEqual(
        headers.filter(([key]) => key === 'content-length' || key === 'x-kept'),
        [
          ['content-length', '10'],
          ['x-kept', 'yes'],
        ],
      )
      t.is(body, '0123456789')
      const raised = await probe.marks(name)
      t.is(raised.length, 2)
      for (const message of raised) t.regex(String(message), /content-length/)
    }
    const response = await tooShort.handle({ url: `/${path}?${unique()}` })
    t.like(response, { status: 404, rawHeaders: ['content-length', '10', 'x-kept', 'yes'] })
    t.is(await response.text(), '0123456789')
  })
}

test('a body short of its content-length is no error for HEAD', async (t) => {
  const { port } = await serve(t, short.listener)
  const connection = await RawConnection.open(t, port)
  connection.write('HEAD / HTTP/1.1\r\nHost: test\r\n\r\nHEAD / HTTP/1.1\r\nHost: test\r\n\r\n')
  t.is((await connection.response('head')).status, 200)
  t.is((await connection.response('head')).status, 200)
})

test('nothing of the malformed headers ever reached a client', async (t) => {
  const { port } = await serve(t, malformed.listener)
  for (const row of ['name_crlf', 'value_crlf', 'value_lf', 'value_cr', 'value_nul']) {
    const connection = await RawConnection.open(t, port)
    connection.write(`GET /${row}?${unique()} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n`)
    t.notRegex((await connection.rest()).text, /forged|x-value/i, row)
  }
})

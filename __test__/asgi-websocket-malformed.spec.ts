import test, { type ExecutionContext } from 'ava'
import { PythonError } from '../index.js'
import { handshake } from './helpers/frames.js'
import { shareProbe } from './helpers/probe.js'
import { createHandler } from './helpers/python.js'
import { RawConnection } from './helpers/raw-connection.js'
import { Recorder } from './helpers/recorder.js'
import { accept, bytes, closes, type Raised, receive, Script, sends, type Step } from './helpers/script.js'
import { serveWebSockets, WebSocketClient } from './helpers/websocket-client.js'

const probe = shareProbe()

const start = (changes: object = {}) => ({
  type: 'websocket.http.response.start',
  status: 403,
  headers: [],
  ...changes,
})
const body = (changes: object = {}) => ({ type: 'websocket.http.response.body', body: bytes('no'), ...changes })
const deny: Step[] = [receive, ['send', start()]]
const denyPartly: Step[] = [...deny, ['send', body({ more_body: true })]]
const denyWholly: Step[] = [...deny, ['send', body()]]
const header = (name: unknown, value: unknown) => [[name, value]]

/** What the client sees of an app that a message ended. */
type Outside =
  /** A status instead of the WebSocket. */
  | { status: number }
  /** A close code. */
  | { code: number }
  /** Half a response, and the connection is gone. */
  | 'cut'

interface Row {
  /** What the app did rightly before. */
  before: Step[]
  message: unknown
  error: string
  says: RegExp
  outside: Outside
  /** How an app goes on that has caught the error, and what the client sees of that. */
  caught: Caught
}

interface Caught {
  steps: Step[]
  outside: Outside
  text?: string
}

const rows: Record<string, Row> = {}

const closing = closes({ code: 4444 })
const denying: Step = ['send', body({ body: bytes('the end') })]

/** Adds rows that stand at the same place. */
function at(
  place: string,
  before: Step[],
  outside: Outside,
  caught: Caught,
  table: Record<string, [message: unknown, error: string, says: RegExp]>,
): void {
  for (const [name, [message, error, says]] of Object.entries(table)) {
    rows[`${name} ${place}`] = { before, message, error, says, outside, caught }
  }
}

const nonsense: Record<string, [unknown, string, RegExp]> = {
  None: [null, 'TypeError', /dict|message/],
  'a str': ['websocket.accept', 'TypeError', /dict|message/],
  'a list': [[['type', 'websocket.accept']], 'TypeError', /dict|message/],
  'no type': [{}, 'Exception', /type/],
  'a type of None': [{ type: null }, 'TypeError', /type/],
  'a type of bytes': [{ type: bytes('websocket.accept') }, 'TypeError', /type/],
  'an unknown type': [{ type: 'websocket.unheard' }, 'Exception', /websocket\.unheard/],
  'websocket.connect': [{ type: 'websocket.connect' }, 'Exception', /websocket\.connect/],
  'websocket.receive': [{ type: 'websocket.receive', text: 'x' }, 'Exception', /websocket\.receive/],
  'websocket.disconnect': [{ type: 'websocket.disconnect', code: 1000 }, 'Exception', /websocket\.disconnect/],
  'http.response.start': [{ type: 'http.response.start', status: 200 }, 'Exception', /http\.response\.start/],
  'http.response.body': [{ type: 'http.response.body', body: bytes('x') }, 'Exception', /http\.response\.body/],
  'lifespan.startup.complete': [{ type: 'lifespan.startup.complete' }, 'Exception', /lifespan\.startup\.complete/],
}

at(
  'before the accept',
  [receive],
  { status: 500 },
  { steps: [accept, closing], outside: { code: 4444 } },
  {
    ...nonsense,
    'websocket.send': [{ type: 'websocket.send', text: 'x' }, 'RuntimeError', /websocket\.send/],
    'a body of a denial': [body(), 'RuntimeError', /websocket\.http\.response/],
    'a subprotocol that was not offered': [{ type: 'websocket.accept', subprotocol: 'x' }, 'ValueError', /subprotocol/],
    'an offered subprotocol in capitals': [
      { type: 'websocket.accept', subprotocol: 'OFFERED' },
      'ValueError',
      /subprotocol/,
    ],
    'a subprotocol of bytes': [{ type: 'websocket.accept', subprotocol: bytes('offered') }, 'TypeError', /subprotocol/],
    'a subprotocol that is a list': [
      { type: 'websocket.accept', subprotocol: ['offered'] },
      'TypeError',
      /subprotocol/,
    ],
    'a subprotocol that forges a header': [
      { type: 'websocket.accept', subprotocol: 'offered\r\nx-forged: 1' },
      'ValueError',
      /subprotocol/,
    ],
    'headers that are a number': [{ type: 'websocket.accept', headers: 5 }, 'TypeError', /headers/],
    'a header that is no pair': [{ type: 'websocket.accept', headers: [[bytes('x')]] }, 'Exception', /header/],
    'a header name that is a str': [
      { type: 'websocket.accept', headers: header('x', bytes('y')) },
      'TypeError',
      /header/,
    ],
    'a header value that is a str': [
      { type: 'websocket.accept', headers: header(bytes('x'), 'y') },
      'TypeError',
      /header/,
    ],
    'a header value with CR LF': [
      { type: 'websocket.accept', headers: header(bytes('x-a'), bytes('1\r\nx-forged: 1')) },
      'ValueError',
      /x-a/,
    ],
    'a header value with NUL': [
      { type: 'websocket.accept', headers: header(bytes('x-a'), bytes('1\0')) },
      'ValueError',
      /x-a/,
    ],
    'a header name with CR LF': [
      { type: 'websocket.accept', headers: header(bytes('x-forged: 1\r\nx'), bytes('y')) },
      'ValueError',
      /header/,
    ],
    'a header name that is empty': [
      { type: 'websocket.accept', headers: header(bytes(''), bytes('y')) },
      'ValueError',
      /header/,
    ],
    ...Object.fromEntries(
      ['sec-websocket-accept', 'Sec-WebSocket-Protocol', 'sec-websocket-extensions', 'sec-websocket-version'].map(
        (name) => [
          `the header ${name}`,
          [
            { type: 'websocket.accept', headers: header(bytes(name), bytes('x')) },
            'ValueError',
            new RegExp(name, 'i'),
          ] as [unknown, string, RegExp],
        ],
      ),
    ),
    'a close code out of range': [{ type: 'websocket.close', code: 99 }, 'ValueError', /code/],
    'a denial without a status': [{ type: 'websocket.http.response.start', headers: [] }, 'Exception', /status/],
    'a denial of status "403"': [start({ status: '403' }), 'TypeError', /status/],
    'a denial of status 101': [start({ status: 101 }), 'ValueError', /status/],
    'a denial of status 1000': [start({ status: 1000 }), 'ValueError', /status/],
    'a denial with a header of str': [start({ headers: header('x', 'y') }), 'TypeError', /header/],
    'a denial with a header of CR LF': [
      start({ headers: header(bytes('x-a'), bytes('1\r\nx-forged: 1')) }),
      'ValueError',
      /x-a/,
    ],
  },
)

at(
  'after the accept',
  [receive, accept],
  { code: 1011 },
  { steps: [closing], outside: { code: 4444 } },
  {
    ...nonsense,
    'a second websocket.accept': [{ type: 'websocket.accept' }, 'RuntimeError', /websocket\.accept/],
    'a denial': [start(), 'RuntimeError', /websocket\.http\.response\.start/],
    'a body of a denial': [body(), 'RuntimeError', /websocket\.http\.response\.body/],
    'neither text nor bytes': [{ type: 'websocket.send' }, 'ValueError', /text.*bytes|bytes.*text/],
    'text and bytes of None': [
      { type: 'websocket.send', text: null, bytes: null },
      'ValueError',
      /text.*bytes|bytes.*text/,
    ],
    'text of bytes': [{ type: 'websocket.send', text: bytes('x') }, 'TypeError', /text/],
    'text of a number': [{ type: 'websocket.send', text: 5 }, 'TypeError', /text/],
    'bytes of a str': [{ type: 'websocket.send', bytes: 'x' }, 'TypeError', /bytes/],
    'bytes of a list': [{ type: 'websocket.send', bytes: [1, 2] }, 'TypeError', /bytes/],
    'text with a lone surrogate': [{ type: 'websocket.send', text: 'x\ud800' }, 'ValueError', /surrogate/],
    'a close code out of range': [{ type: 'websocket.close', code: 1006 }, 'ValueError', /code/],
    'a reason that is too long': [{ type: 'websocket.close', reason: 'x'.repeat(124) }, 'ValueError', /reason/],
  },
)

at(
  'after its own close',
  [receive, accept, closing],
  { code: 4444 },
  { steps: [], outside: { code: 4444 } },
  {
    'websocket.send': [{ type: 'websocket.send', text: 'x' }, 'RuntimeError', /websocket\.send/],
    'websocket.close': [{ type: 'websocket.close' }, 'RuntimeError', /websocket\.close/],
    'websocket.accept': [{ type: 'websocket.accept' }, 'RuntimeError', /websocket\.accept/],
    'a denial': [start(), 'RuntimeError', /websocket\.http\.response\.start/],
  },
)

at(
  'after it has refused',
  [receive, closes()],
  { status: 403 },
  { steps: [], outside: { status: 403 } },
  {
    'websocket.accept': [{ type: 'websocket.accept' }, 'RuntimeError', /websocket\.accept/],
    'websocket.send': [{ type: 'websocket.send', text: 'x' }, 'RuntimeError', /websocket\.send/],
    'websocket.close': [{ type: 'websocket.close' }, 'RuntimeError', /websocket\.close/],
    'a denial': [start(), 'RuntimeError', /websocket\.http\.response\.start/],
  },
)

// Nothing of a response is on the wire before the first piece of its body, so it can still be another.
at(
  'after the start of a denial',
  deny,
  { status: 500 },
  { steps: [denying], outside: { status: 403 }, text: 'the end' },
  {
    'websocket.accept': [{ type: 'websocket.accept' }, 'RuntimeError', /websocket\.accept/],
    'websocket.send': [{ type: 'websocket.send', text: 'x' }, 'RuntimeError', /websocket\.send/],
    'websocket.close': [{ type: 'websocket.close' }, 'RuntimeError', /websocket\.close/],
    'a second start': [start(), 'RuntimeError', /websocket\.http\.response\.start/],
    'a body of str': [body({ body: 'no' }), 'TypeError', /body/],
    'an unknown type': [{ type: 'websocket.unheard' }, 'Exception', /websocket\.unheard/],
  },
)

at(
  'in the middle of a denial',
  denyPartly,
  'cut',
  { steps: [denying], outside: { status: 403 }, text: 'the end' },
  {
    'websocket.accept': [{ type: 'websocket.accept' }, 'RuntimeError', /websocket\.accept/],
    'a second start': [start(), 'RuntimeError', /websocket\.http\.response\.start/],
    'a body of str': [body({ body: 'no' }), 'TypeError', /body/],
    'websocket.close': [{ type: 'websocket.close' }, 'RuntimeError', /websocket\.close/],
  },
)

at(
  'after a denial',
  denyWholly,
  { status: 403 },
  { steps: [], outside: { status: 403 }, text: 'no' },
  {
    'websocket.accept': [{ type: 'websocket.accept' }, 'RuntimeError', /websocket\.accept/],
    'a further body': [body(), 'RuntimeError', /websocket\.http\.response\.body/],
    'websocket.close': [{ type: 'websocket.close' }, 'RuntimeError', /websocket\.close/],
  },
)

/** A handler with an app that does what it is told, and a connection of it that nothing must disturb. */
async function serveBesides(t: ExecutionContext) {
  const logger = new Recorder()
  const handler = createHandler(t, { app: 'asgi_script:app', logger })
  const { ws, port } = await serveWebSockets(t, handler)
  const echo: Step[] = [accept, receive, sends({ text: 'undisturbed' }), receive, receive]
  const neighbour = await WebSocketClient.open(t, ws + new Script(probe, echo).target)
  const undisturbed = async () => {
    neighbour.send('x')
    t.is(await neighbour.next(), 'undisturbed')
  }
  return { logger, port, undisturbed }
}

/** Everything a client sees, as it came. */
async function see(t: ExecutionContext, port: number, target: string): Promise<string> {
  const raw = await RawConnection.open(t, port)
  raw.write(handshake(target, ['Sec-WebSocket-Protocol: offered']))
  // A close frame is answered, so that the end comes at once.
  const head = await raw.until('\r\n\r\n').catch(() => '')
  if (!head.startsWith('HTTP/1.1 101')) return head + (await raw.rest()).text
  const close = await raw.bytes(4)
  raw.write(Buffer.from([0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8]).toString('latin1'))
  return head + close + (await raw.rest()).text
}

function looksLike(t: ExecutionContext, text: string, outside: Outside): void {
  if (outside === 'cut') {
    t.regex(text, /^HTTP\/1\.1 403 /)
    t.false(text.endsWith('0\r\n\r\n'), text)
  } else if ('status' in outside) {
    t.regex(text, new RegExp(`^HTTP/1\\.1 ${outside.status} `))
    t.notRegex(text, /HTTP\/1\.1 101/)
  } else {
    t.regex(text, /^HTTP\/1\.1 101 /)
    const frame = Buffer.from(text.slice(text.indexOf('\r\n\r\n') + 4), 'latin1')
    t.is(frame[0], 0x88)
    t.is(frame.readUInt16BE(2), outside.code)
  }
}

for (const [name, { before, message, error, says, outside, caught }] of Object.entries(rows)) {
  test(`${name} raises at send(), and the client sees ${JSON.stringify(outside)}`, async (t) => {
    const { logger, port, undisturbed } = await serveBesides(t)
    const script = new Script(probe, [...before, ['send', message]])
    const text = await see(t, port, script.target)
    const raised = await script.raised()
    t.true(raised.classes.includes(error), JSON.stringify(raised))
    t.regex(raised.message, says)
    // A sentence for the author of the app, not the words of some conversion.
    t.true(raised.message.length >= 20, raised.message)
    t.notRegex(text, /x-forged: 1\r\n/i)
    looksLike(t, text, outside)
    const logged = await logger.waitForError()
    t.true(logged instanceof PythonError)
    t.regex((logged as PythonError).traceback, /asgi_script\.py", line \d+, in play/)
    await undisturbed()
  })

  test(`an app that catches the error of ${name} goes on as if nothing had been sent`, async (t) => {
    const { logger, port, undisturbed } = await serveBesides(t)
    const script = new Script(probe, [...before, ['try', message], ...caught.steps])
    const text = await see(t, port, script.target)
    const marks = await script.outcome()
    t.true((marks.at(-1) as Raised).classes.includes(error), JSON.stringify(marks))
    looksLike(t, text, caught.outside)
    t.true(text.includes(caught.text ?? ''), text)
    t.deepEqual(logger.at('error'), [])
    await undisturbed()
  })
}

for (const [what, steps] of [
  ['returns', [...denyPartly]],
  ['raises', [...denyPartly, ['raise', 'in the middle']]],
] as const) {
  test(`an app that ${what} in the middle of a denial cuts the connection`, async (t) => {
    const { logger, port, undisturbed } = await serveBesides(t)
    const script = new Script(probe, steps as Step[])
    const text = await see(t, port, script.target)
    t.regex(text, /^HTTP\/1\.1 403 /)
    t.false(text.endsWith('0\r\n\r\n'), text)
    const error = await logger.waitForError()
    t.like(error, { code: what === 'raises' ? 'AMPHIS_ERR_PYTHON' : 'AMPHIS_ERR_INCOMPLETE_RESPONSE' })
    await undisturbed()
  })
}

test('a denial longer than its content-length raises, a shorter one cuts the connection', async (t) => {
  const { port, undisturbed } = await serveBesides(t)
  const sized = ['send', start({ headers: header(bytes('content-length'), bytes('3')) })] as Step
  const long = new Script(probe, [sized, ['send', body({ body: bytes('1234') })]])
  t.regex(await see(t, port, long.target), /^HTTP\/1\.1 500 /)
  t.regex((await long.raised()).message, /content-length/i)
  const short = new Script(probe, [sized, ['send', body({ more_body: true })]])
  const text = await see(t, port, short.target)
  t.false(/\r\n\r\n.{3}$/.test(text), text)
  await undisturbed()
})

// Large pieces of a lone stream wait a moment for the next one; never longer, and never what has to go at once.
import test from 'ava'
import { shareProbe } from './helpers/probe.js'
import { shareHandler } from './helpers/python.js'
import { RawConnection } from './helpers/raw-connection.js'
import { bytes, Script, type Step } from './helpers/script.js'
import { serve } from './helpers/server.js'

const script = shareHandler('asgi_script:app')
const probe = shareProbe()

const SIZE = 65_536
const start: Step = [
  'send',
  { type: 'http.response.start', status: 200, headers: [[bytes('content-length'), bytes(String(4 * SIZE))]] },
]
const piece = (letter: string, more = true): Step => [
  'send',
  { type: 'http.response.body', body: bytes(letter, SIZE), more_body: more },
]

test('each arrives although the next one never comes before it has', async (t) => {
  const played = new Script(probe, [
    start,
    piece('a'),
    ['wait', 'b'],
    piece('b'),
    ['wait', 'c'],
    piece('c'),
    ['wait', 'd'],
    piece('d', false),
  ])
  const { port } = await serve(t, script.listener)
  const raw = await RawConnection.open(t, port)
  raw.write(`GET ${played.target} HTTP/1.1\r\nHost: test\r\n\r\n`)
  await raw.until('\r\n\r\n')
  for (const letter of 'abcd') {
    t.is(await raw.bytes(SIZE), letter.repeat(SIZE))
    await played.open(String.fromCharCode(letter.charCodeAt(0) + 1))
  }
})

test('a small piece takes the large one in front of it along, in their order', async (t) => {
  const small: Step = ['send', { type: 'http.response.body', body: bytes('small'), more_body: true }]
  const played = new Script(probe, [
    ['send', { type: 'http.response.start', status: 200, headers: [] }],
    piece('a'),
    piece('b'),
    small,
    piece('c'),
    ['send', { type: 'http.response.body' }],
  ])
  const { url } = await serve(t, script.listener)
  const text = await (await fetch(`${url}${played.target}`)).text()
  t.is(text, `${'a'.repeat(SIZE)}${'b'.repeat(SIZE)}small${'c'.repeat(SIZE)}`)
})

test('an app that raises behind one cuts the response, and what was sent of it is there', async (t) => {
  const played = new Script(probe, [start, piece('a'), piece('b'), ['raise', 'behind it']])
  const { port } = await serve(t, script.listener)
  const raw = await RawConnection.open(t, port)
  raw.write(`GET ${played.target} HTTP/1.1\r\nHost: test\r\n\r\n`)
  const { text } = await raw.rest()
  t.false(text.length > 4 * SIZE)
})

// The page: sends the script, and shows the events as they come. All that a script says is text and never markup.
import { decode, encode } from './share.js'

const element = (id) => document.getElementById(id)
const [source, timeout, memory] = ['source', 'timeout', 'memory'].map(element)
const [result, values, lines, took, shared] = ['result', 'values', 'console', 'took', 'shared'].map(element)

const EXAMPLES = {
  'A value': `const prices = [120.5, 80, 279.23]\nprices.map((price) => ({ price, taxed: +(price * 1.08).toFixed(2) }))`,
  'A function of Python’s': `console.log('asking Python')\nsha256('amphis')`,
  'Something that waits': `const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms))\nfor (let step = 1; step <= 5; step++) {\n  console.log('step', step)\n  await wait(100)\n}\n'done'`,
  'A stream': `const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms))\nlet n = 0\nnew ReadableStream({\n  async pull(controller) {\n    await wait(50)\n    if (n === 10) controller.close()\n    else controller.enqueue(n * n++)\n  },\n})`,
  'An error': `function inner() {\n  throw new RangeError('too far')\n}\ninner()`,
  'For ever': `for (;;) {}`,
  'All the memory': `const all = []\nfor (;;) all.push(new Array(1e5).fill(0))`,
}

let running

/** The events of a stream of them, as `[kind, data]`. */
async function* eventsOf(body) {
  let rest = ''
  for await (const text of body.pipeThrough(new TextDecoderStream())) {
    const events = (rest + text).split('\n\n')
    rest = events.pop()
    for (const event of events) {
      const [, kind, data] = /^event: (\w+)\ndata: (.*)$/.exec(event)
      yield [kind, JSON.parse(data)]
    }
  }
}

function show(kind, data) {
  switch (kind) {
    case 'console':
      return append(lines, data.text, data.level)
    case 'value':
      return append(values, data.text, data.type)
    case 'result':
      result.replaceChildren(data.text, ' ', note(data.type))
      return
    case 'error':
      result.className = 'error'
      result.textContent = data.stack || `${data.name}: ${data.message}`
      return
    case 'end':
      took.textContent = `${data.milliseconds} ms, ${(data.heap / 1048576).toFixed(1)} MiB of heap`
  }
}

function append(list, text, className) {
  const item = document.createElement('li')
  item.className = className
  item.textContent = text
  list.append(item)
}

function note(text) {
  const span = document.createElement('span')
  span.className = 'type'
  span.textContent = text
  return span
}

async function run() {
  running?.abort()
  const mine = (running = new AbortController())
  for (const each of [result, values, lines, took]) each.replaceChildren()
  result.className = ''
  element('stop').disabled = false
  const script = { source: source.value, timeout: timeout.valueAsNumber, memory: memory.valueAsNumber }
  try {
    const response = await fetch('runs', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(script),
      signal: mine.signal,
    })
    if (!response.ok) throw new Error(`The server says ${response.status}: ${await response.text()}`)
    for await (const [kind, data] of eventsOf(response.body)) show(kind, data)
  } catch (error) {
    if (running !== mine) return
    show('error', mine.signal.aborted ? { name: 'Stopped', message: 'by you' } : error)
  }
  if (running === mine) element('stop').disabled = true
}

async function share() {
  const { href } = location
  const link = new URL(`#${await encode(source.value)}`, href).href
  history.replaceState(null, '', link)
  // A page that is not from this machine nor by HTTPS has no clipboard; its address has the script all the same.
  const copied = await navigator.clipboard?.writeText(link).then(
    () => true,
    () => false,
  )
  shared.textContent = copied ? 'The link is in the clipboard.' : 'The address of this page is the link now.'
}

async function open() {
  const code = location.hash.slice(1)
  if (!code) return
  try {
    source.value = await decode(code)
  } catch {
    shared.textContent = 'This link holds no script.'
  }
}

element('examples').append(...Object.keys(EXAMPLES).map((name) => new Option(name, name)))
element('examples').addEventListener('change', ({ target }) => (source.value = EXAMPLES[target.value]))
element('script').addEventListener('submit', (event) => (event.preventDefault(), run()))
element('stop').addEventListener('click', () => running?.abort())
element('share').addEventListener('click', share)
source.addEventListener('keydown', (event) => {
  if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) run()
})
addEventListener('hashchange', open)

source.value = Object.values(EXAMPLES)[0]
await open()
document.documentElement.dataset.ready = ''

// The page: functions, invocations, logs, latencies. All that comes from a service is put in as text.
const $ = (selector) => document.querySelector(selector)
const main = $('main')
const problem = $('#problem')
let key = sessionStorage.getItem('key') ?? ''
let selected = ''

const element = (name, text = '', attributes = {}) => {
  const made = document.createElement(name)
  made.textContent = text
  for (const [attribute, value] of Object.entries(attributes)) made.setAttribute(attribute, value)
  return made
}

async function ask(path, options = {}) {
  const response = await fetch(path, { ...options, headers: { authorization: `Bearer ${key}` } })
  const body = await response.json()
  // 502: the function failed, and its error is the answer.
  if (!response.ok && response.status !== 502) throw new Error(body.error.message)
  return body
}

function say(text) {
  problem.textContent = text
  problem.hidden = text === ''
}

async function showFunctions() {
  const { functions } = await ask('/yafaas/functions')
  const rows = functions.map(({ name, runtime, state, instances, events }) => {
    const row = element('tr', '', { 'data-name': name, 'aria-selected': String(name === selected) })
    const cells = [name, runtime, state, instances.running, events.waiting + events.leased]
    row.append(...cells.map((cell) => element('td', String(cell))))
    row.addEventListener('click', () => {
      selected = name
      void refresh()
    })
    return row
  })
  $('#functions tbody').replaceChildren(...rows)
  if (!functions.some(({ name }) => name === selected)) selected = ''
}

/** Ended invocations, oldest first: what the log's closing lines say. */
const invocationsOf = (logs) =>
  logs
    .filter(({ stream }) => stream === 'end')
    .map(({ requestId, text, time }) => {
      const [, how, milliseconds] = /^(\w+) in ([\d.]+) ms$/.exec(text) ?? []
      return { requestId, time, ok: how === 'ok', milliseconds: Number(milliseconds) }
    })

function showChart(invocations) {
  const last = invocations.slice(-50)
  const most = Math.max(1, ...last.map(({ milliseconds }) => milliseconds))
  const bars = last.map(({ milliseconds, ok }, index) => {
    const bar = document.createElementNS('http://www.w3.org/2000/svg', 'rect')
    const height = Math.max(1, (milliseconds / most) * 100)
    const place = { x: index * 8, y: 100 - height, width: 6, height, 'data-ok': ok, 'data-ms': milliseconds }
    for (const [name, value] of Object.entries(place)) bar.setAttribute(name, String(value))
    return bar
  })
  $('#chart').replaceChildren(...bars)
  const sorted = last.map(({ milliseconds }) => milliseconds).toSorted((a, b) => a - b)
  const median = sorted[Math.floor(sorted.length / 2)]
  $('#scale').textContent =
    sorted.length === 0 ? 'none yet' : `${sorted.length} invocations, p50 ${median} ms, at most ${most} ms`
}

async function showDetail() {
  $('#detail').hidden = selected === ''
  if (selected === '') return
  const { name, version, runtime, logs } = await ask(`/yafaas/functions/${encodeURIComponent(selected)}`)
  $('#detail h2').textContent = `${name}, version ${version}, ${runtime}`
  const invocations = invocationsOf(logs)
  showChart(invocations)
  const lines = invocations.slice(-20).toReversed()
  $('#invocations').replaceChildren(
    ...lines.map(({ requestId, time, ok, milliseconds }) =>
      element('li', `${new Date(time).toLocaleTimeString()} ${requestId} ${ok ? 'ok' : 'error'} ${milliseconds} ms`),
    ),
  )
  const printed = logs.filter(({ stream }) => stream === 'stdout' || stream === 'stderr' || stream === 'system')
  $('#log').textContent = printed.map(({ stream, text }) => `${stream.padEnd(6)} ${text}`).join('\n')
}

async function refresh() {
  try {
    await showFunctions()
    await showDetail()
    main.hidden = false
    say('')
  } catch (error) {
    say(error.message)
  }
}

$('#key').addEventListener('submit', (event) => {
  event.preventDefault()
  key = new FormData(event.target).get('key').trim()
  sessionStorage.setItem('key', key)
  void refresh()
})

$('#invoke').addEventListener('submit', async (event) => {
  event.preventDefault()
  try {
    const payload = JSON.parse(new FormData(event.target).get('payload'))
    const answer = await ask('/yafaas/events', {
      method: 'POST',
      body: JSON.stringify({ function: selected, payload }),
    })
    $('#answer').textContent = JSON.stringify(answer.result ?? answer.error, undefined, 2)
  } catch (error) {
    $('#answer').textContent = error.message
  }
  await refresh()
})

if (key) void refresh()
setInterval(() => {
  if (key && !document.hidden) void refresh()
}, 2000)
document.documentElement.dataset.ready = ''

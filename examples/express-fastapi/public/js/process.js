import { formatMs, send } from './http.js'

/** The picture at the top: asks Express and FastAPI who they are, and compares the process ids. */
export async function showProcess() {
  const box = document.querySelector('#process')
  const show = (name, value) => (box.querySelector(`[data-field="${name}"]`).textContent = value)
  try {
    const [js, py, life] = await Promise.all([
      send('GET', '/js/health'),
      send('GET', '/api/about'),
      send('GET', '/api/uptime'),
    ])
    for (const { status, text } of [js, py, life]) if (status !== 200) throw new Error(`${status}: ${text}`)

    show('pid', js.json.pid)
    show('express', js.json.express)
    show('node', js.json.node)
    show('js-pid', js.json.pid)
    show('fastapi', py.json.fastapi)
    show('python', `${py.json.python} · ${py.json.event_loop}`)
    show('py-pid', py.json.pid)
    count(Date.parse(life.json.started_at), (text) => show('uptime', text))

    const same = js.json.pid === py.json.pid
    box.dataset.state = same ? 'same' : 'different'
    show('verdict', same ? 'Same process id, asked over HTTP from both languages' : 'Two different processes')

    const [jsMs, pyMs] = [await fastest('/js/time'), await fastest('/api/about')]
    show('js-ms', formatMs(jsMs))
    show('py-ms', formatMs(pyMs))
  } catch (error) {
    box.dataset.state = 'failed'
    show('verdict', `The server did not answer: ${error.message}`)
  }
}

/** The best of a few round trips: the rest is the browser warming up. */
async function fastest(target, times = 8) {
  let best = Infinity
  for (let i = 0; i < times; i++) best = Math.min(best, (await send('GET', target)).ms)
  return best
}

function count(since, show) {
  const update = () => {
    const seconds = Math.max(0, Math.floor((Date.now() - since) / 1000))
    const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60]
    show(h > 0 ? `${h} h ${m} min` : m > 0 ? `${m} min ${s} s` : `${s} s`)
  }
  update()
  setInterval(update, 1000)
}

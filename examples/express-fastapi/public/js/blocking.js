import { Card } from './card.js'
import { answer, formatMs, send } from './http.js'

const CALLS = 4

export function blocking() {
  const card = new Card('blocking')
  const lanes = card.field('lanes')

  const run = card.onSubmit(async () => {
    card.exchange.sending('GET', `/api/blocking × ${CALLS}`)
    const started = performance.now()
    const calls = Promise.all(Array.from({ length: CALLS }, () => send('GET', '/api/blocking'))).then((answers) => ({
      answers,
      ms: performance.now() - started,
    }))
    const [{ answers, ms }, answeredByExpress] = await Promise.all([calls, countUntil(calls)])

    const wrong = answers.find(({ status }) => status !== 200)
    if (wrong) return card.exchange.answered(wrong)
    const works = answers.map(({ json }) => json)
    const { status, statusText } = answers[0]
    card.exchange.answered(answer(status, statusText, ms, JSON.stringify(works[0])))
    draw(lanes, works)
    card.field('meanwhile').textContent = `Meanwhile Express answered ${answeredByExpress} requests.`
  })

  card.exchange.preview('GET', `/api/blocking × ${CALLS}`)
  return run
}

/** How many requests Express answers, one after another, until `calls` are over. */
async function countUntil(calls) {
  const over = new AbortController()
  const end = () => over.abort()
  calls.then(end, end)
  let count = 0
  while (!over.signal.aborted) {
    const { status } = await send('GET', '/js/time')
    if (status === 200) count++
  }
  return count
}

/** A bar a call, from when its thread began to when it ended. */
function draw(lanes, works) {
  const first = Math.min(...works.map(({ started }) => started))
  const last = Math.max(...works.map(({ finished }) => finished))
  const percent = (seconds) => `${(100 * seconds) / (last - first)}%`

  lanes.hidden = false
  lanes.replaceChildren(
    ...works.map(({ thread, thread_id, started, finished }) => {
      const lane = document.createElement('li')
      const name = document.createElement('span')
      name.textContent = `${thread} ${thread_id}`
      const track = document.createElement('span')
      track.className = 'track'
      const bar = document.createElement('span')
      bar.className = 'bar'
      bar.style.marginLeft = percent(started - first)
      bar.style.width = percent(finished - started)
      bar.textContent = formatMs((finished - started) * 1000)
      track.append(bar)
      lane.append(name, track)
      return lane
    }),
  )
}

import { Card } from './card.js'
import { answer, formatMs, send } from './http.js'

const CALLS = 4

export function blocking() {
  const card = new Card('blocking')
  const lanes = card.field('lanes')

  const run = card.onSubmit(async () => {
    card.exchange.sending('GET', `/api/blocking × ${CALLS}`)
    const started = performance.now()
    const answers = await Promise.all(Array.from({ length: CALLS }, () => send('GET', '/api/blocking')))
    const ms = performance.now() - started

    const wrong = answers.find(({ status }) => status !== 200)
    if (wrong) return card.exchange.answered(wrong)
    const works = answers.map(({ json }) => json)
    const { status, statusText } = answers[0]
    card.exchange.answered(answer(status, statusText, ms, JSON.stringify(works[0])))
    draw(lanes, works)
  })

  card.exchange.preview('GET', `/api/blocking × ${CALLS}`)
  return run
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

import { Card } from './card.js'
import { send } from './http.js'

const SHOWN = 4

export function ticks() {
  const card = new Card('ticks')
  const [start, stop] = ['start', 'stop'].map((name) => card.element.querySelector(`[data-action="${name}"]`))
  const lines = []
  let source
  let received = 0

  const showCounts = async () => {
    const { status, text, json } = await send('GET', '/api/streams')
    if (status !== 200) throw new Error(`${status}: ${text}`)
    card.field('open').textContent = json.open
    card.field('cleaned-up').textContent = json.cleaned_up
    return json
  }

  const begin = () => {
    source?.close()
    const started = performance.now()
    received = 0
    lines.length = 0
    card.exchange.sending('GET', '/api/ticks')
    source = new EventSource('/api/ticks')
    source.onopen = () => {
      card.exchange.streaming('200 streaming', performance.now() - started)
      void card.attempt(showCounts)
    }
    source.onmessage = ({ data }) => {
      card.field('events').textContent = ++received
      lines.push(`data: ${data}`)
      card.exchange.body(lines.slice(-SHOWN).join('\n'))
    }
    source.onerror = () => {
      end()
      card.exchange.failed('The stream broke.')
    }
    start.disabled = true
    stop.disabled = false
  }

  const end = () => {
    source?.close()
    source = undefined
    start.disabled = false
    stop.disabled = true
  }

  /** Closes the connection, then asks until Python has noticed; it should within a second. */
  const finish = async () => {
    const before = await showCounts()
    const left = performance.now()
    end()
    card.exchange.streaming('closed by the browser')
    while (performance.now() - left < 5000) {
      const { cleaned_up } = await showCounts()
      if (cleaned_up > before.cleaned_up) {
        card.exchange.streaming('closed, and cleaned up by Python', performance.now() - left)
        return
      }
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    throw new Error('Python did not notice within 5 s that the browser left.')
  }

  card.onSubmit(async () => begin())
  card.onClick('[data-action="stop"]', finish)
  card.exchange.preview('GET', '/api/ticks')
  void card.attempt(showCounts)

  return () =>
    card.attempt(async () => {
      begin()
      await new Promise((resolve, reject) => {
        source.addEventListener('message', () => received >= 3 && resolve())
        source.addEventListener('error', () => reject(new Error('The stream broke.')))
      })
      await finish()
    })
}

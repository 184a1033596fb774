import { formatMs } from './http.js'
import { highlightJson } from './highlight.js'

/** The part of a card that shows a request, and what came back. */
export class Exchange {
  #element
  #parts = {}

  constructor(card) {
    const fragment = document.querySelector('#exchange').content.cloneNode(true)
    this.#element = fragment.firstElementChild
    for (const part of this.#element.querySelectorAll('[data-part]')) this.#parts[part.dataset.part] = part
    card.querySelector('.play').append(fragment)
  }

  /** Shows what a click would send. */
  preview(method, target) {
    this.#parts.method.textContent = method
    this.#parts.target.textContent = target
  }

  /** Shows that it was sent. */
  sending(method, target) {
    this.preview(method, target)
    this.#set('waiting', 'waiting…', '')
    this.#problems([])
    this.#element.setAttribute('aria-busy', 'true')
  }

  /** @param {import('./http.js').Answer} answer */
  answered({ status, statusText, ms, text, json }) {
    this.#set(status < 400 ? 'ok' : 'bad', `${status} ${statusText}`.trim(), formatMs(ms))
    this.#problems(status === 422 && Array.isArray(json?.detail) ? json.detail : [])
    this.body(json === undefined ? text : json)
  }

  /** A response whose body is still coming. */
  streaming(status, ms) {
    this.#set('ok', status, ms === undefined ? '' : formatMs(ms))
  }

  /** The end of a WebSocket, as its close frame has it. */
  closed(code, reason, { isMistake }) {
    this.#set(isMistake ? 'bad' : 'ok', `closed with ${code}`, '')
    // What came before the mistake is not its answer.
    if (isMistake) this.#parts.body.hidden = true
    this.#problems(isMistake ? [{ loc: [code], msg: reason }] : [])
  }

  /** No response at all, or a mistake of the page: never hidden. */
  failed(error) {
    this.#set('bad', 'failed', '')
    this.body(String(error?.message ?? error))
  }

  body(value) {
    const { body } = this.#parts
    body.hidden = false
    body.replaceChildren(typeof value === 'string' ? value : highlightJson(JSON.stringify(value, null, 2)))
  }

  #set(kind, status, time) {
    this.#element.dataset.kind = kind
    this.#parts.status.textContent = status
    this.#parts.time.textContent = time
    if (kind !== 'waiting') this.#element.removeAttribute('aria-busy')
  }

  /** FastAPI's list of what is wrong with the input, one line each. */
  #problems(details) {
    const { problems } = this.#parts
    problems.hidden = details.length === 0
    problems.replaceChildren(
      ...details.map(({ loc, msg }) => {
        const place = document.createElement('code')
        place.textContent = loc.join('.')
        const line = document.createElement('li')
        line.append(place, ` ${msg}`)
        return line
      }),
    )
  }
}

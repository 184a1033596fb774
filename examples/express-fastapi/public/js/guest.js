const NORMAL = 1000
const ABNORMAL = 1006
const SERVICE_RESTART = 1012
/** Lines of a list. */
const SHOWN = 50
const PATIENCE_MS = 5000

/** The WebSocket was closed; the message is what the close frame says, or means. */
export class Closed extends Error {
  constructor(code, message) {
    super(message)
    this.code = code
  }

  get isMistake() {
    return this.code !== NORMAL
  }
}

/**
 * What the counter sends: the model `News` of main.py.
 * @typedef {{ event: 'joined' | 'said' | 'left', guest: string, text: string, code: number | null, guests: number }} News
 */

/** A guest at the counter: one WebSocket, and the list of what it hears. */
export class Guest {
  /** As Python calls it, once it has joined. */
  name = ''
  /** How many messages it was sent, in all its visits. */
  count = 0
  /** @type {(news: News) => void} */
  onNews = () => {}
  /** @type {(end: Closed) => void} */
  onClosed = () => {}
  #socket
  #waiting = new Set()
  #log
  #title
  #place
  #button

  /** @param {(leaves: boolean) => void} onToggle a click on the button of its panel */
  constructor(panel, onToggle) {
    this.#log = panel.querySelector('.heard')
    this.#title = panel.querySelector('h3 span')
    this.#place = this.#title.textContent
    this.#button = panel.querySelector('h3 button')
    this.#button.addEventListener('click', () => onToggle(this.isOpen))
  }

  get isOpen() {
    return this.#socket?.readyState === WebSocket.OPEN
  }

  /** Resolves once Python has said that it joined. */
  async join() {
    if (this.isOpen) return
    // As `ws:` or `wss:`, because older browsers take no other.
    const socket = new WebSocket(new URL('/api/counter', location.href.replace(/^http/, 'ws')))
    let wasOpen = false
    socket.onopen = () => (wasOpen = true)
    socket.onmessage = ({ data }) => this.#hear(JSON.parse(data))
    socket.onclose = ({ code, reason }) => {
      if (this.#socket === socket) this.#end(new Closed(code, reason || meaning(code, wasOpen)))
    }
    this.#socket?.close(NORMAL)
    this.#socket = socket
    this.name = ''
    const { guest } = await this.hears(({ event }) => event === 'joined')
    this.#title.textContent = `${this.#place}: ${guest}`
    this.#offer('Leave')
  }

  /** Sends a text as it is, right or wrong. */
  send(text) {
    this.#socket.send(text)
  }

  leave(reason) {
    this.#socket.close(NORMAL, reason)
  }

  /**
   * The next news that passes a test. Rejects when the WebSocket is closed before.
   * @param {(news: News) => boolean} test
   * @returns {Promise<News>}
   */
  hears(test) {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => settle(reject, new Error('The counter was silent for 5 s.')), PATIENCE_MS)
      const settle = (how, value) => {
        clearTimeout(timer)
        this.#waiting.delete(waiting)
        how(value)
      }
      const waiting = {
        hear: (news) => test(news) && settle(resolve, news),
        end: (closed) => settle(reject, closed),
      }
      this.#waiting.add(waiting)
    })
  }

  /** @param {News} news */
  #hear(news) {
    // The first news of a visit is its own.
    this.name ||= news.guest
    this.count++
    const who = news.guest === this.name ? 'You' : news.guest
    if (news.event === 'said') this.#write('', who, `: ${news.text}`)
    else if (news.event === 'joined') this.#write('aside', who, ' joined')
    else this.#write('aside', who, ` left: ${news.code} ${news.text}`)
    this.onNews(news)
    for (const waiting of this.#waiting) waiting.hear(news)
  }

  /** @param {Closed} closed */
  #end(closed) {
    this.#write(closed.isMistake ? 'mistake' : 'aside', 'Closed', `: ${closed.code} ${closed.message}`)
    this.#title.textContent = this.#place
    this.#offer('Join')
    this.onClosed(closed)
    for (const waiting of this.#waiting) waiting.end(closed)
  }

  #offer(action) {
    this.#button.textContent = action
    this.#button.ariaLabel = `${this.#place}: ${action.toLowerCase()}`
  }

  #write(kind, who, what) {
    const list = this.#log.firstElementChild
    const line = document.createElement('li')
    const name = document.createElement('b')
    line.className = kind
    name.textContent = who
    line.append(name, what)
    list.append(line)
    if (list.children.length > SHOWN) list.firstElementChild.remove()
    this.#log.scrollTop = this.#log.scrollHeight
  }
}

/** In words, for a close without a reason. */
function meaning(code, wasOpen) {
  if (code === SERVICE_RESTART) return 'The server has gone'
  if (code === ABNORMAL) return wasOpen ? 'The connection broke' : 'The server has gone, or lets nobody in'
  return ''
}

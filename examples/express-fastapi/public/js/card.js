import { Exchange } from './exchange.js'
import { highlightPython } from './highlight.js'
import { pythonSource } from './python-source.js'

/** An example of the page: its form, the exchange under it and the Python beside it. */
export class Card {
  constructor(id) {
    this.element = document.getElementById(id)
    this.form = this.element.querySelector('form')
    this.exchange = new Exchange(this.element)
    this.#showSource()
  }

  field(name) {
    return this.element.querySelector(`[data-field="${name}"]`)
  }

  /** Runs `action` at submit; whatever it throws is shown on the card. Returns a function that does the same. */
  onSubmit(action) {
    const run = () => this.attempt(action)
    this.form.addEventListener('submit', (event) => {
      event.preventDefault()
      void run()
    })
    return run
  }

  onClick(selector, action) {
    this.element.querySelector(selector).addEventListener('click', () => void this.attempt(action))
  }

  async attempt(action) {
    try {
      await action()
    } catch (error) {
      console.error(error)
      this.exchange.failed(error)
    }
  }

  async #showSource() {
    const fragment = document.querySelector('#source').content.cloneNode(true)
    const code = fragment.querySelector('[data-part="code"]')
    this.element.append(fragment)
    try {
      code.replaceChildren(highlightPython(await pythonSource(this.element.dataset.source.split(' '))))
    } catch (error) {
      code.textContent = error.message
    }
  }
}

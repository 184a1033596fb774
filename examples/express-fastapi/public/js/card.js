import { Exchange } from './exchange.js'
import { sourceOf } from './source.js'

/** An example of the page: its form, the exchange under it and the code beside it. */
export class Card {
  constructor(id) {
    this.element = document.getElementById(id)
    this.form = this.element.querySelector('form')
    this.exchange = new Exchange(this.element)
    void this.#showSource()
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
    const sources = document.createElement('div')
    sources.className = 'sources'
    this.element.append(sources)
    for (const piece of this.element.dataset.source.split(' + ')) {
      const fragment = document.querySelector('#source').content.cloneNode(true)
      const part = (name) => fragment.querySelector(`[data-part="${name}"]`)
      const [file] = piece.split(' ')
      const code = part('code')
      part('file').textContent = file
      part('whole').href = `/${file}`
      part('panel').ariaLabel = `The code behind this example, of ${file}`
      sources.append(fragment)
      try {
        code.replaceChildren(await sourceOf(piece))
      } catch (error) {
        code.textContent = error.message
      }
    }
  }
}

import { Card } from './card.js'
import { send } from './http.js'

/** A page that FastAPI has rendered by React: as the text that came, and in a frame that asks for it itself. */
export function render() {
  const card = new Card('render')
  const { title } = card.form.elements
  const frame = card.element.querySelector('iframe')

  const target = () => `/api/menu?${new URLSearchParams({ title: title.value })}`
  const preview = () => card.exchange.preview('GET', target())
  const run = card.onSubmit(async () => {
    card.exchange.sending('GET', target())
    const page = await send('GET', target())
    frame.hidden = page.status !== 200
    if (page.status === 200) await show(frame, target())
    card.exchange.answered(page)
  })

  card.form.addEventListener('input', preview)
  card.onClick('[data-preset="markup"]', async () => {
    title.value = '<b>Bold</b> teas & "others"'
    await run()
  })
  preview()
  return run
}

function show(frame, target) {
  return new Promise((resolve) => {
    frame.addEventListener('load', resolve, { once: true })
    frame.src = target
  })
}

import { Card } from './card.js'
import { send } from './http.js'

/** Path and query parameters; the page checks nothing, so that Python's answer is seen. */
export function items() {
  const card = new Card('items')
  const { item_id, quantity } = card.form.elements

  const target = () =>
    `/api/items/${encodeURIComponent(item_id.value)}?${new URLSearchParams({ quantity: quantity.value })}`
  const preview = () => card.exchange.preview('GET', target())
  const run = card.onSubmit(async () => {
    card.exchange.sending('GET', target())
    card.exchange.answered(await send('GET', target()))
  })

  card.form.addEventListener('input', preview)
  card.onClick('[data-preset="bad"]', async () => {
    item_id.value = 'seven'
    quantity.value = '0'
    await run()
  })
  preview()
  return run
}

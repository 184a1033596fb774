import { Card } from './card.js'
import { send } from './http.js'

const GOOD = {
  customer: 'Ada',
  lines: [
    { item_id: 1, quantity: 2 },
    { item_id: 3, quantity: 1 },
  ],
}
const BAD = { customer: '', lines: [{ item_id: 1, quantity: 'many' }] }

const pairs = (line) =>
  Object.entries(line)
    .map(([name, value]) => `"${name}": ${JSON.stringify(value)}`)
    .join(', ')

/** One line of JSON an order line, as one would write it by hand. */
const write = ({ customer, lines }) =>
  `{\n  "customer": ${JSON.stringify(customer)},\n  "lines": [\n${lines.map((line) => `    { ${pairs(line)} }`).join(',\n')}\n  ]\n}`

export function orders() {
  const card = new Card('orders')
  const { body } = card.form.elements

  const run = card.onSubmit(async () => {
    card.exchange.sending('POST', '/api/orders')
    card.exchange.answered(await send('POST', '/api/orders', body.value))
  })

  card.onClick('[data-preset="bad"]', async () => {
    body.value = write(BAD)
    await run()
  })
  body.value = write(GOOD)
  card.exchange.preview('POST', '/api/orders')
  return run
}

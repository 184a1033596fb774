import { Card } from './card.js'
import { send } from './http.js'

export function uptime() {
  const card = new Card('uptime')
  const run = card.onSubmit(async () => {
    card.exchange.sending('GET', '/api/uptime')
    card.exchange.answered(await send('GET', '/api/uptime'))
  })
  card.exchange.preview('GET', '/api/uptime')
  return run
}

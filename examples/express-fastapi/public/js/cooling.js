import { Card } from './card.js'
import { send } from './http.js'

/** A route of Express that asks Python. */
export function cooling() {
  const card = new Card('cooling')
  const { temperature, spread } = card.form.elements
  const verdict = card.field('verdict')

  const target = () => `/js/cooling?${new URLSearchParams({ temperature: temperature.value, spread: spread.value })}`
  const preview = () => card.exchange.preview('GET', target())
  const run = card.onSubmit(async () => {
    card.exchange.sending('GET', target())
    verdict.textContent = ''
    const answer = await send('GET', target())
    card.exchange.answered(answer)
    if (answer.status !== 200) return
    const { minutes, give_or_take, because_of } = answer.json
    const [[most]] = Object.entries(because_of).toSorted(([, a], [, b]) => b - a)
    verdict.textContent = `${minutes} minutes, give or take ${give_or_take}, most of it because of ${most}.`
  })

  card.form.addEventListener('input', preview)
  card.onClick('[data-preset="bad"]', async () => {
    temperature.value = '15'
    await run()
  })
  preview()
  return run
}

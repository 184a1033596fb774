import { Card } from './card.js'
import { formatMs, send } from './http.js'

export function jobs() {
  const card = new Card('jobs')
  const steps = card.field('steps')
  const step = (name, text) => {
    const line = steps.querySelector(`[data-step="${name}"]`)
    line.dataset.reached = ''
    if (text) line.querySelector('span').textContent = text
  }

  const run = card.onSubmit(async () => {
    for (const line of steps.children) delete line.dataset.reached
    card.exchange.sending('POST', '/api/jobs')
    const started = performance.now()
    const accepted = await send('POST', '/api/jobs')
    card.exchange.answered(accepted)
    if (accepted.status !== 202) return
    step('answered', `after ${formatMs(accepted.ms)}`)

    while (performance.now() - started < 10_000) {
      const job = await send('GET', `/api/jobs/${accepted.json.id}`)
      if (job.status !== 200) return card.exchange.answered(job)
      if (job.json.status !== 'waiting') step('running')
      if (job.json.status === 'done') {
        step('done', `after ${formatMs(performance.now() - started)}, ${job.json.worked_ms} ms of them at work`)
        return
      }
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    throw new Error('The task was not done within 10 s.')
  })

  card.exchange.preview('POST', '/api/jobs')
  return run
}

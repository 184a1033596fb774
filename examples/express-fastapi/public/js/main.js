import { blocking } from './blocking.js'
import { cooling } from './cooling.js'
import { counter } from './counter.js'
import { items } from './items.js'
import { jobs } from './jobs.js'
import { orders } from './orders.js'
import { showProcess } from './process.js'
import { render } from './render.js'
import { ticks } from './ticks.js'
import { uploads } from './uploads.js'
import { uptime } from './uptime.js'

// In the order of the page; each returns a function that runs its example once.
const examples = [items, render, cooling, orders, uploads, ticks, counter, blocking, jobs, uptime].map((create) =>
  create(),
)

const runAll = document.querySelector('#run-all')
runAll.addEventListener('click', async () => {
  runAll.disabled = true
  runAll.textContent = 'Running…'
  for (const run of examples) await run()
  runAll.disabled = false
  runAll.textContent = 'Run every example again'
})

await showProcess()
document.documentElement.dataset.ready = ''

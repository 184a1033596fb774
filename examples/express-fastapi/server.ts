/** The program: starts the demo at HOST and PORT, and ends it cleanly at SIGINT or SIGTERM. */
import { createDemo } from './demo.js'

const host = process.env.HOST || '127.0.0.1'
const port = Number(process.env.PORT || 3000)
const started = performance.now()

try {
  const demo = await createDemo({ host, port })
  const { node, python, loop } = demo.python.versions!
  const ms = Math.round(performance.now() - started)

  console.log(`
  Express and FastAPI in one process, ready in ${ms} ms

    ${demo.url}            the demo
    ${demo.url}/js/time    JavaScript: Express on Node.js ${node}
    ${demo.url}/api/docs   Python: FastAPI on CPython ${python}, ${loop}

  Ctrl+C stops it.
`)

  // `once`: a second Ctrl+C ends the process at once, as usual.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, async () => {
      await demo.close()
      console.log('Stopped.')
    })
  }
} catch (error) {
  const taken = (error as NodeJS.ErrnoException).code === 'EADDRINUSE'
  console.error(taken ? `Port ${port} of ${host} is taken. Choose another: PORT=${port + 1} npm start` : error)
  process.exitCode = 1
}

// Keeps a container engine for those who are connected to it; ends it, and puts back what it changed on the machine, when
// the last of them has gone. Started by containers.mjs, which says what it is for.
import { createServer } from 'node:net'
import { keeperAddress } from './containers.mjs'
import { startEngine } from './docker-daemon.mjs'
import { Problem } from './problem.mjs'

/** How long it stays without anybody: one spec file may end before the next begins. */
const linger = 5_000

/** @type {Set<import('node:net').Socket>} */
const users = new Set()
/** @type {ReturnType<typeof setTimeout> | undefined} */
let leaving

const engine = startEngine()
/** @type {Promise<string>} */
const answer = engine.then(
  ({ socket }) => JSON.stringify({ socket }),
  (/** @type {unknown} */ error) =>
    JSON.stringify(
      error instanceof Problem
        ? { problem: error.what, remedy: error.remedy }
        : { problem: 'the container engine did not start', remedy: String(error) },
    ),
)

let ending = false

const server = createServer((socket) => {
  socket.on('error', () => {})
  // The address stays taken until the machine is as it was: the next engine must not start before.
  if (ending) {
    socket.destroy()
    return
  }
  clearTimeout(leaving)
  users.add(socket)
  socket.on('close', () => {
    users.delete(socket)
    if (users.size === 0) leaving = setTimeout(leave, linger)
  })
  // Nothing is read but the end.
  socket.resume()
  void answer.then((text) => socket.write(`${text}\n`))
})

async function leave() {
  ending = true
  await engine.then(({ stop }) => stop()).catch(() => {})
  process.exit()
}

for (const signal of /** @type {const} */ (['SIGTERM', 'SIGINT', 'SIGHUP'])) process.once(signal, leave)
server.on('error', () => process.exit())
server.listen({ path: keeperAddress }, () => {
  process.stdout.write('listening\n')
  leaving = setTimeout(leave, linger)
})

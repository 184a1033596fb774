// node measure.mjs [--save]: what the server adds, before the stand-in of the Messages API. From the moment at which the SDK
// gives a piece of the answer to the moment at which a client has it; what a query that runs takes of memory, and a session
// that does not. Prints what it has found, and how; --save writes it to docs/measured.md, for docs/SERVER.md.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { StandIn } from '../../fixtures/messages-api/server.mjs'

const TURNS = 8
const WORDS = 60
const KEY = 'key-of-the-measurement'

const loads = [loadavg()[0]]
const api = await StandIn.start()
const data = mkdtempSync(join(tmpdir(), 'amphis-measure-'))
const { PATH, HOME } = process.env
const env = {
  PATH,
  HOME,
  ANTHROPIC_BASE_URL: api.url,
  ANTHROPIC_API_KEY: 'x',
  API_KEYS: KEY,
  DATA_DIR: data,
  PORT: '0',
}
const server = spawn('sh', [fileURLToPath(new URL('scripts/start.sh', import.meta.url))], {
  env: { ...env, RATE_LIMIT: '100000', MAX_RUNNING: '4' },
  stdio: ['ignore', 'pipe', 'inherit'],
})
let url = ''
for await (const line of createInterface({ input: server.stdout })) {
  url = /ready: (\S+)/.exec(line)?.[1] ?? ''
  if (url) break
}
server.stdout.resume()

const headers = { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' }
const post = (path, body, more) =>
  fetch(url + path, { method: 'POST', headers: { ...headers, ...more }, body: JSON.stringify(body) })

/** Milliseconds from the SDK to here, of each piece of a turn. */
async function lags(sdk) {
  const text = Array.from({ length: WORDS }, (_, number) => `word${number}`).join(' ')
  const prompt = `Go. <script>${JSON.stringify([{ text, pause: 20 }])}</script>`
  const response = await post('/query', { sdk, prompt }, { accept: 'text/event-stream' })
  const found = []
  let rest = ''
  for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
    const now = performance.timeOrigin + performance.now()
    const blocks = (rest + chunk).split('\n\n')
    rest = blocks.pop()
    for (const block of blocks) {
      if (!block.includes('event: text\n')) continue
      found.push(now - JSON.parse(block.slice(block.indexOf('data: ') + 6)).at)
    }
  }
  return found
}

const quantile = (values, share) => values.toSorted((a, b) => a - b)[Math.floor(values.length * share)]

/** Megabytes of a process that are its own, and its share of what it has with others. */
function megabytes(pid) {
  try {
    return Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))[1]) / 1024
  } catch {
    return 0
  }
}

const agents = () =>
  readdirSync('/proc').filter((pid) => {
    if (!/^\d+$/.test(pid)) return false
    try {
      return readFileSync(`/proc/${pid}/environ`, 'latin1').includes('AGENT_TURN=')
    } catch {
      return false
    }
  })

const rows = []
for (const sdk of ['python', 'typescript']) {
  await lags(sdk)
  const all = []
  for (let turn = 0; turn < TURNS; turn++) all.push(...(await lags(sdk)))
  const [half, most] = [quantile(all, 0.5), quantile(all, 0.99)]
  rows.push(
    `| From the SDK to the client, ${sdk} (${all.length} pieces) | p50 ${half.toFixed(1)} ms, p99 ${most.toFixed(1)} ms |`,
  )
}

const running = []
for (let number = 0; number < 4; number++) {
  const prompt = `Go. <script>${JSON.stringify([{ text: 'one two', gate: 'end' }])}</script>`
  running.push(post('/query', { prompt }).then((response) => response.json()))
}
while (
  api.requests.filter(({ state, url: path }) => state === 'running' && path.startsWith('/v1/messages')).length < 4
) {
  await new Promise((resolve) => setTimeout(resolve, 100))
}
const query = agents().reduce((sum, pid) => sum + megabytes(pid), 0) / 4
api.open('end')
await Promise.all(running)

const before = megabytes(server.pid)
for (let number = 0; number < 1000; number++) await (await post('/sessions', {})).json()
const session = ((megabytes(server.pid) - before) / 1000) * 1024
const atOnce = Math.floor((2048 * 0.8 - before) / query)
loads.push(loadavg()[0])
rows.push(
  `| A query that runs | ${query.toFixed(0)} MB |`,
  `| A session that does not | ${Math.max(0, session).toFixed(1)} kB, and its files |`,
  `| The server | ${megabytes(server.pid).toFixed(0)} MB |`,
  `| What 2 GB hold, a fifth left free | ${atOnce} queries at a time; sessions that wait or rest: as many as there are |`,
)
const busy = loads.map((load) => load.toFixed(1)).join(' at the start and ')
const how = `By \`node measure.mjs\`, before a stand-in of the Messages API, with Node.js ${process.versions.node} on ${availableParallelism()} cores that had other work as well: a load of ${busy} at the end.`
const text = [how, '', '| What | Measured |', '| --- | --- |', ...rows, ''].join('\n')
console.log(text)
if (process.argv.includes('--save')) writeFileSync(new URL('docs/measured.md', import.meta.url), text)

server.kill()
await once(server, 'close')
await api.close()
rmSync(data, { recursive: true })

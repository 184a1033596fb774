import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import test from 'ava'
import { AgentServer, folder, KEY } from './helpers/agent-server.js'

// What the pages show does what they say: the clients, the examples for curl, the page of the API.

const run = promisify(execFile)
const clients = join(folder, 'examples/client')
let server: AgentServer
test.before(async () => {
  server = await AgentServer.start()
})
test.after.always(() => server?.close())

const env = () => ({ ...process.env, URL: server.url, KEY })

test.serial('the client in Python', async (t) => {
  const { stdout } = await run('python3', [join(clients, 'test_server.py')], { env: env() })
  t.deepEqual(
    stdout
      .replace(/\d+ tokens/, 'some tokens')
      .trim()
      .split('\n'),
    [
      'health: ok, token by api_key',
      'python: completed: You said: Say hello in one word.',
      'typescript: completed: You said: Say hello in one word.',
      'You said: Count to three.',
      'session: completed, some tokens',
      'history: 1 turn',
      'deleted: 404',
    ],
  )
})

test.serial('the client for a shell', async (t) => {
  const { stdout } = await run('sh', [join(clients, 'test_server.sh')], { env: env() })
  t.regex(stdout, /^health: \{"status":"ok".*\npython: .*"completed".*\ntypescript: .*"completed"/)
  await t.throwsAsync(run('sh', [join(clients, 'test_server.sh')], { env: { ...env(), KEY: 'wrong' } }))
})

test.serial('every example for curl', async (t) => {
  const page = await readFile(join(clients, 'curl-examples.md'), 'utf8')
  const blocks = [...page.matchAll(/```sh\n([\s\S]*?)```/g)].map(([, block]) => block)
  t.true(blocks.length >= 5)
  const { stdout } = await run('sh', ['-eu', '-c', blocks.join('\n')], { env: env() })
  for (const seen of [
    '"status":"ok"',
    'event: done',
    'You said: Hello again',
    '"title":"By curl"',
    'agents_turns_total',
  ]) {
    t.true(stdout.includes(seen), seen)
  }
})

test.serial('the page of the API is as FastAPI knows it', async (t) => {
  const amphis = join(folder, 'node_modules/amphis/bin/amphis.js')
  const { stdout } = await run(process.execPath, [amphis, 'run', '-m', 'server.openapi'], { cwd: folder })
  const words = (text: string) => text.replaceAll(/[\s|-]+/g, ' ').trim()
  const page = await readFile(join(folder, 'docs/SERVER.md'), 'utf8')
  t.is(words(page), words(stdout), 'run `npx amphis run -m server.openapi > docs/SERVER.md` and `npm run format`')
})

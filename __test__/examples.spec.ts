import { spawn, execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { cp, mkdir, readdir, readFile, symlink } from 'node:fs/promises'
import { request as httpRequest, type IncomingMessage } from 'node:http'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import test, { type ExecutionContext } from 'ava'
import { WebSocket } from 'ws'
import { request } from './helpers/client.js'
import { python } from './helpers/python.js'
import { scratchFolder } from './helpers/scratch.js'

// The examples of frameworks, each as a program of its own, by the framework's packages that the tests have.

const repository = fileURLToPath(new URL('..', import.meta.url))

/** A folder as it would be after `npm install`: its own packages, and this one. */
async function install(t: ExecutionContext, name: string): Promise<string> {
  const folder = await scratchFolder(t)
  const example = join(folder, name)
  await cp(join(repository, 'examples', 'shared'), join(folder, 'shared'), { recursive: true })
  await cp(join(repository, 'examples', name), example, {
    recursive: true,
    filter: (path) => !/node_modules|dist$/.test(path),
  })
  const packages = join(folder, 'node_modules')
  await mkdir(join(packages, '@types'), { recursive: true })
  await symlink(repository, join(packages, 'amphis'))
  await symlink(join(repository, 'node_modules', '@types', 'node'), join(packages, '@types', 'node'))
  // Express is among the repository's own packages.
  const isOwn = name === 'express'
  const host = isOwn ? join(repository, 'node_modules') : join(repository, '__test__', 'hosts', name, 'node_modules')
  const links = isOwn ? [name] : (await readdir(host)).filter((entry) => !entry.startsWith('.') && entry !== '@types')
  await Promise.all(links.map((entry) => symlink(join(host, entry), join(packages, entry))))
  return example
}

async function start(t: ExecutionContext, name: string) {
  const folder = await install(t, name)
  if (name === 'nest') {
    const tsc = join(repository, 'node_modules', 'typescript', 'bin', 'tsc')
    await promisify(execFile)(process.execPath, [tsc], { cwd: folder }).catch((error: { stdout: string }) =>
      t.fail(error.stdout),
    )
  }
  const program = name === 'nest' ? 'dist/main.js' : 'server.js'
  const child = spawn(process.execPath, [program], {
    cwd: folder,
    env: { ...process.env, PORT: '0', AMPHIS_PYTHON: python },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  t.teardown(() => child.kill('SIGKILL'))
  let errors = ''
  child.stderr.on('data', (text: Buffer) => (errors += text.toString()))
  const ended = once(child, 'exit')
  const [line] = (await Promise.race([
    once(createInterface(child.stdout), 'line'),
    ended.then(() => {
      throw new Error(`it ended: ${errors}`)
    }),
  ])) as [string]
  return { url: line.replace('/api/docs', ''), child, ended, told: () => errors }
}

async function stream(url: string): Promise<IncomingMessage> {
  const [response] = (await once(httpRequest(url).end(), 'response')) as [IncomingMessage]
  return response
}

test('each host is in the tables of pages, and starts by one command that sets the clone up', async (t) => {
  const text = (path: string) => readFile(join(repository, path), 'utf8')
  const [table, list] = [await text('docs/mounting.md'), await text('examples/README.md')]
  for (const name of ['express', 'fastify', 'koa', 'hono', 'nest', 'next', 'vite']) {
    t.regex(table, new RegExp(String.raw`^\| \[.*\| +\d +\| \[example\]\(\.\./examples/${name}/`, 'm'))
    t.regex(list, new RegExp(String.raw`^\| \[${name}\]\(${name}`, 'm'))
    const { scripts } = JSON.parse(await text(`examples/${name}/package.json`)) as { scripts: Record<string, string> }
    t.regex(scripts['prestart'] ?? '', /^npm run setup --prefix \.\.\/\.\. && .*npm install/)
    t.truthy(scripts['start'])
  }
})

const ada = { authorization: 'Bearer token-of-ada' }

for (const [name, host] of [
  ['express', 'Express'],
  ['fastify', 'Fastify'],
  ['koa', 'Koa'],
  ['hono', 'Hono'],
  ['nest', 'Nest'],
] as const) {
  // One after another: each starts a Python, and Fastify gives its plugins ten seconds.
  test.serial(`examples/${name}`, async (t) => {
    const { url, child, ended, told } = await start(t, name)
    const api = `${url}/api`

    // Both sides answer.
    t.deepEqual((await request(url)).json(), { from: host })
    t.deepEqual((await request(`${api}/hello`)).json(), { message: 'hello from Python' })
    t.regex((await request(`${api}/docs`)).text, /'\/api\/openapi\.json'/)

    // What Python does not have is the framework's, whose 404 it is.
    const missing = await request(`${api}/nothing`)
    t.is(missing.status, 404)
    t.notRegex(missing.text, /"detail"/)

    // 20 MB, checked.
    const body = Buffer.alloc(20 * 2 ** 20, 'amphis')
    const uploaded = (await request(`${api}/upload`, { method: 'POST', body })).json()
    t.deepEqual(uploaded, { size: body.length, sha256: createHash('sha256').update(body).digest('hex') })

    // The user whom JavaScript has verified.
    t.deepEqual((await request(`${api}/me`, { headers: ada })).json(), { user: 'ada' })
    t.is((await request(`${api}/me`, { headers: { authorization: 'Bearer forged' } })).status, 401)

    // Cookies of both.
    const { headers } = await request(`${api}/cookie`)
    t.deepEqual(headers['set-cookie']?.map((cookie) => cookie.split('=')[0]).toSorted(), ['node', 'python'])

    // An exception: FastAPI answers, and the host hears of it.
    t.is((await request(`${api}/boom`)).status, 500)
    while (!told().includes('Python failed in')) await once(child.stderr, 'data')
    t.regex(told(), /broken in Python/)

    // Events, whose client leaves.
    const events = await stream(`${api}/events`)
    t.is(events.headers['content-type'], 'text/event-stream; charset=utf-8')
    await once(events, 'data')
    t.deepEqual((await request(`${api}/streams`)).json(), { open: 1 })
    events.destroy()
    while (((await request(`${api}/streams`)).json() as { open: number }).open > 0);

    // A WebSocket, with its user and without.
    const chat = new WebSocket(`${api.replace('http', 'ws')}/chat`, { headers: ada })
    await once(chat, 'open')
    chat.send('hello')
    t.is(String(((await once(chat, 'message')) as [Buffer])[0]), 'ada: hello')
    await t.throwsAsync(once(new WebSocket(`${api.replace('http', 'ws')}/chat`), 'open'), { message: /403/ })

    // It ends in good order, with a WebSocket open.
    const closed = once(chat, 'close')
    child.kill('SIGTERM')
    t.is((await closed)[0], 1012)
    const [code, signal] = (await ended) as [number | null, string | null]
    t.true(code === 0 || (name === 'nest' && signal === 'SIGTERM'), `${code} ${signal}: ${told()}`)
  })
}

import { readdir } from 'node:fs/promises'
import { request } from 'node:http'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import test from 'ava'
import { CodeCollector } from '../examples/functions/server/code.js'
import { serve } from '../examples/functions/server/serve.js'
import { checkedSpec } from '../examples/functions/server/spec.js'
import { Tokens } from '../examples/functions/server/tokens.js'
import { ask, buildExample, parsed, processService, type Reply } from './helpers/functions.js'
import { scratchFolder } from './helpers/scratch.js'

const { zipSync } = createRequire(new URL('../examples/functions/package.json', import.meta.url))('fflate') as {
  zipSync(files: Record<string, Uint8Array>): Uint8Array
}
const { runtime, remove } = await buildExample()
test.after.always(remove)

const bytes = Buffer.from('x')
const hello = { 'index.mjs': 'export const handler = (event) => event' }

for (const path of ['../out.mjs', 'a/../../out.mjs', '/etc/cron.d/x', 'C:\\x', 'a\\..\\b', 'a\0b', '', '.', 'a/..']) {
  test(`a file that is called ${JSON.stringify(path)} is refused, in a zip as well`, (t) => {
    t.throws(() => new CodeCollector().add(path, bytes), { message: /leads out of|is no path of a file/ })
    if (path !== '')
      t.throws(() => new CodeCollector().addZip(zipSync({ [path]: bytes })), {
        message: /leads out of|is no path of a file|zip cannot be read/,
      })
  })
}

test('names that collide are refused', (t) => {
  const collect = (...paths: string[]) => {
    const code = new CodeCollector()
    for (const path of paths) code.add(path, bytes)
  }
  t.throws(() => collect('a.mjs', './a.mjs'), { message: '"a.mjs" is there twice' })
  t.throws(() => collect('a', 'a/b'), { message: '"a/b" is a file and a folder' })
  t.throws(() => collect('a/b', 'a'), { message: '"a" is a file and a folder' })
  t.notThrows(() => collect('a/b', 'a/c', 'ab'))
})

test('a zip that unpacks to more than its share is refused before it is unpacked, and what is none is said', (t) => {
  const bomb = zipSync({ 'bomb.bin': new Uint8Array(60_000_000) })
  t.true(bomb.length < 100_000)
  t.throws(() => new CodeCollector().addZip(bomb), { message: /unpacks to more than 50000000 bytes/ })
  t.throws(() => new CodeCollector().addZip(Buffer.from('no zip')), { message: /^the zip cannot be read/ })
})

test('what a deployment asks for is checked, and an unknown option names the nearest', (t) => {
  const spec = { name: 'hello', runtime: 'node', handler: 'index.handler' }
  t.like(checkedSpec(spec), { memory: 256, timeout: 30_000, network: false, maxReplicas: 1 })
  for (const [wrong, message] of [
    [{ memroy: 1 }, 'there is no option "memroy"; did you mean "memory"?'],
    [{ name: 'Hello' }, /^"name" is to have/],
    [{ name: '../x' }, /^"name" is to have/],
    [{ runtime: 'ruby' }, '"runtime" is to be "node" or "python"'],
    [{ handler: '../../x.y' }, /^"handler" is to be/],
    [{ handler: 'index' }, /^"handler" is to be/],
    [{ memory: 1 }, '"memory" is to be a number from 128 to 16384'],
    [{ slots: 1.5 }, '"slots" is to be a number from 1 to 64'],
    [{ minReplicas: 2 }, '"minReplicas" is more than "maxReplicas"'],
    [{ environment: { EVENTS_TOKEN: 'x' } }, '"environment" has EVENTS_TOKEN, a variable that the runtime sets'],
    [{ environment: { 'A=B': 'x' } }, /which is no variable with a text/],
  ] as const) {
    t.throws(() => checkedSpec({ ...spec, ...wrong }), { message })
  }
})

test('each endpoint wants a key, and without keys nothing but loopback is listened on', async (t) => {
  const client = await processService(t, runtime)
  for (const [method, path] of [
    ['GET', '/yafaas/functions'],
    ['POST', '/yafaas/functions'],
    ['GET', '/yafaas/functions/hello'],
    ['DELETE', '/yafaas/functions/hello'],
    ['GET', '/yafaas/functions/hello/logs'],
    ['POST', '/yafaas/events'],
    ['GET', '/yafaas/events/some-event'],
    ['GET', '/yafaas/events/next'],
    ['GET', '/nowhere'],
  ] as const) {
    for (const key of [undefined, 'no key of this service', `${client.key}x`]) {
      t.is((await ask(client.url, key, method, path)).status, 401, `${method} ${path}`)
    }
  }
  const options = { port: 0, keys: [], pages: '', folder: await scratchFolder(t) }
  const rest = options as unknown as Parameters<typeof serve>[0]
  await t.throwsAsync(serve({ ...rest, host: '0.0.0.0' }), { message: /0\.0\.0\.0 is not loopback: give keys/ })
})

test('what users send and is wrong is answered with what is wrong', async (t) => {
  const { ask: send, deploy } = await processService(t, runtime)
  const problem = async (body: unknown, path = '/yafaas/events', headers = {}) => {
    const reply = await send('POST', path, body, headers)
    return `${reply.status} ${reply.body.error.message}`
  }
  t.regex(await problem('{'), /^400 the body is not JSON/)
  t.is(await problem('[]'), '400 "function" is to be the name or the id of a function')
  t.is(await problem({ function: 'nowhere' }), '404 there is no function "nowhere"')
  t.is(await problem({ function: 'x', id: '../x' }), '400 "id" is to have 8 to 64 letters, digits, dashes')
  t.regex(await problem({ function: 'x', payload: 'x'.repeat(800_000) }), /^413 the body has more than/)
  t.is(
    await problem('x', '/yafaas/functions', { 'content-type': 'text/plain' }),
    '415 the body is to be application/json or multipart/form-data',
  )
  t.is(
    await problem({ name: 'none', runtime: 'node', handler: 'index.handler' }, '/yafaas/functions'),
    '422 the function has no files: give "files" or "zip"',
  )
  t.is((await send('GET', '/yafaas/events/some-event')).status, 404)
  t.is((await send('GET', '/yafaas/functions/%ff')).status, 400)
  const failed = await deploy(
    { name: 'fails', runtime: 'python', handler: 'app.x' },
    { 'requirements.txt': './nowhere\n', 'app.py': '' },
  )
  t.is(failed.status, 422)
  t.is(failed.body.error.code, 'build')
  t.regex(failed.body.error.log, /nowhere/)
  t.is((await send('GET', '/yafaas/functions/fails')).status, 404)
})

test('a function is deployed from a form with a zip', async (t) => {
  const { ask: send, invoke } = await processService(t, runtime)
  const form = new FormData()
  form.append('function', JSON.stringify({ name: 'form', runtime: 'node', handler: 'index.handler' }))
  form.append('zip', new Blob([zipSync({ 'index.mjs': Buffer.from(hello['index.mjs']) })]), 'code.zip')
  const encoded = new Response(form)
  const type = { 'content-type': encoded.headers.get('content-type')! }
  const deployed = await send('POST', '/yafaas/functions', Buffer.from(await encoded.arrayBuffer()), type)
  t.is(deployed.status, 201, deployed.text)
  t.is((await invoke('form', 'hello')).body.result, 'hello')
})

test('a container gets the events of its own function only, and answers only what it was given', async (t) => {
  const client = await processService(t, runtime)
  const deployedA = await client.deploy({ name: 'fn-one', runtime: 'node', handler: 'index.handler' }, hello)
  const deployedB = await client.deploy({ name: 'fn-two', runtime: 'node', handler: 'index.handler' }, hello)
  const [a, b] = [deployedA.body.id, deployedB.body.id]
  const { store, engine } = client.service
  const tokens = new Tokens(await store.secret('tokens'))
  const token = (functionId: string, instanceId: string) => tokens.tokenOf({ functionId, instanceId })
  const sockets = join(client.folder, 'sockets', a)
  const [name = ''] = await readdir(sockets)
  const socketPath = join(sockets, name)
  const at = (bearer: string, method: string, path: string, headers = {}) =>
    new Promise<Reply>((resolve, reject) => {
      const req = request(
        { socketPath, method, path, headers: { authorization: `Bearer ${bearer}`, ...headers } },
        (res) => {
          const chunks: Buffer[] = []
          res.on('data', (chunk: Buffer) => chunks.push(chunk))
          res.on('end', () => {
            const text = Buffer.concat(chunks).toString()
            resolve({ status: res.statusCode ?? 0, text, body: parsed(text), headers: res.headers } as Reply)
          })
        },
      )
      req.on('error', reject)
      req.end(method === 'POST' ? '1' : undefined)
    })

  t.is((await at('made.up', 'GET', '/yafaas/events/next')).status, 401)
  t.is(
    (await at(new Tokens('another').tokenOf({ functionId: a, instanceId: 'i-1' }), 'GET', '/yafaas/events/next'))
      .status,
    401,
  )
  t.is((await at(token(b, 'i-2'), 'GET', '/yafaas/events/next')).status, 403)
  t.is((await at(token('fn-none', 'i-2'), 'GET', '/yafaas/events/next')).status, 403)
  t.is((await at(client.key!, 'GET', '/yafaas/functions')).status, 401)
  t.is((await at(token(a, 'i-1'), 'GET', '/yafaas/functions')).status, 404)

  // Its own instance is out of the way: the test takes the event in its place.
  for (const { id, functionId } of await engine.list()) if (functionId === a) await engine.stop(id)
  const answer = client.invoke('fn-one', 'mine')
  const given = (await at(token(a, 'i-1'), 'GET', '/yafaas/events/next')) as Reply & { headers: Record<string, string> }
  t.is(given.text, '"mine"')
  const path = `/yafaas/events/${given.headers['events-request-id']}/response`
  const receipt = { 'events-receipt': given.headers['events-receipt'] }
  t.is((await at(token(a, 'i-1'), 'POST', path)).status, 403)
  t.is((await at(token(a, 'i-other'), 'POST', path, receipt)).status, 403)
  t.is((await at(token(a, 'i-1'), 'POST', '/yafaas/events/another-event/response', receipt)).status, 403)
  t.is((await at(token(a, 'i-1'), 'POST', path, receipt)).status, 202)
  t.is((await answer).body.result, 1)
})

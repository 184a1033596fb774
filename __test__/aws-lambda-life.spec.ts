import { mkdir, symlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test, { type ExecutionContext } from 'ava'
import { request } from './helpers/client.js'
import { projectFiles } from '../lib/cli/init/project.js'
import { startEnvironment } from './helpers/lambda/environment.js'
import { queueEvent } from './helpers/lambda/events.js'
import { text } from './helpers/lambda/runtime-api.js'
import { scratchFolder } from './helpers/scratch.js'

// `amphis/aws-lambda`: an execution environment from its init to its end, in a process of its own.

async function start(t: ExecutionContext, ...args: Parameters<typeof startEnvironment>) {
  const environment = await startEnvironment(...args)
  t.teardown(() => environment.close())
  return environment
}

test('the lifespan runs once, at init, and its shutdown at the end of the environment', async (t) => {
  const { api, process, url } = await start(t, 'buffered', { app: 'lambda_app:app' })
  await api.idle()
  t.deepEqual(api.extensions, ['amphis'])
  for (let count = 0; count < 3; count++) {
    t.is((await request(`${url}/empty/`)).status, 204)
  }
  process.child.kill('SIGTERM')
  const { code, stdout } = await process.ends()
  t.is(code, 0)
  t.deepEqual(stdout.trim().split('\n'), ['lifespan startup', 'init is over', 'lifespan shutdown'])
})

test('a streaming function: the same', async (t) => {
  const { api, process, url } = await start(t, 'streamed', { app: 'lambda_app:app' })
  await api.idle()
  const { status, headers, body } = await request(`${url}/bytes/7000000`)
  t.is(status, 200)
  t.is(headers['content-type'], 'text/plain')
  t.is(body.length, 7_000_000)
  process.child.kill('SIGTERM')
  const { code, stdout } = await process.ends()
  t.is(code, 0)
  t.regex(stdout, /lifespan shutdown/)
})

test('an app that does not start fails the init, with its traceback', async (t) => {
  const { api, process } = await start(t, 'buffered', { app: 'raises_on_import:app' })
  const { code, stderr } = await process.ends()
  t.is(code, 1)
  t.regex(stderr, /Traceback/)
  t.is((JSON.parse(api.initErrors[0]!) as { errorType: string }).errorType, 'PythonError')
})

test('without shutdown no extension is registered', async (t) => {
  const { api } = await start(t, 'buffered', { app: 'lambda_app:app' }, { more: { shutdown: false } })
  await api.idle()
  t.deepEqual(api.extensions, [])
})

test('the project of amphis init streams FastAPI, and takes what comes from a queue', async (t) => {
  const files = await projectFiles({ name: 'my-function', language: 'js', template: 'aws-lambda' })
  const folder = await scratchFolder(t, Object.fromEntries(files))
  await mkdir(join(folder, 'node_modules'))
  await symlink(dirname(dirname(fileURLToPath(import.meta.url))), join(folder, 'node_modules/amphis'))
  const { api, url } = await start(t, join(folder, 'function.mjs#handler'), { app: 'none:app' })
  const hello = await request(`${url}/hello/Ada`)
  t.like(hello.json(), { message: 'Hello, Ada' })
  t.true((hello.json() as { left: number }).left > 0)
  const tokens = await request(`${url}/tokens`)
  t.is(tokens.headers['content-type'], 'text/event-stream; charset=utf-8')
  t.is(tokens.text, 'data: one\n\ndata: two\n\ndata: three\n\n')
  const { body } = await api.invoke(queueEvent('a'))
  t.deepEqual(JSON.parse(await text(body)), { batchItemFailures: [] })
})

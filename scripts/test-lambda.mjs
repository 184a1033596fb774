// npm run test:lambda: functions of amphis under AWS' own parts. The emulator of the Runtime API, with the runtime client of
// Lambda's Node.js, has those that answer as a whole; the emulator keeps streams until they are over, so streams go through
// that client to the project's own Runtime API and Function URL. The image of `amphis init --template aws-lambda` is built and
// run as Lambda runs it, where there is an engine. AMPHIS_TEST_PYTHON names the Python; default: .venv.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { get, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { functionUrlEvent, queueEvent, restEvent } from '../__test__/helpers/lambda/events.js'
import { serveFunctionUrl } from '../__test__/helpers/lambda/function-url.js'
import { RuntimeApi, text as textOf } from '../__test__/helpers/lambda/runtime-api.js'
import { containersForTests } from './lib/containers.mjs'
import { buildTemplateImage } from './lib/lambda-image.mjs'
import { emulator, emulatorStep, runtimeClient, runtimeClientStep } from './lib/lambda-parts.mjs'
import { inRoot } from './lib/paths.mjs'
import { main } from './lib/problem.mjs'
import { run } from './lib/run.mjs'
import { freePort } from './lib/running-script.mjs'
import { green, say } from './lib/say.mjs'
import { complete, setUp } from './lib/setup.mjs'

const python = resolve(inRoot('.'), process.env.AMPHIS_TEST_PYTHON ?? '.venv')
const functions = inRoot('fixtures/lambda')

const FUNCTION_OPTIONS = JSON.stringify({
  app: 'lambda_app:app',
  appDir: inRoot('fixtures'),
  python,
  events: 'lambda_app:handler',
})

/**
 * A process, with what it prints.
 *
 * @param {string} command
 * @param {string[]} args
 * @param {NodeJS.ProcessEnv} env
 */
function start(command, args, env) {
  const child = spawn(command, args, { cwd: functions, env: { ...process.env, FUNCTION_OPTIONS, ...env } })
  const running = {
    child,
    output: '',
    ended: once(child, 'close'),
    /** @param {RegExp} pattern */
    async prints(pattern) {
      while (!pattern.test(running.output)) {
        if (child.exitCode !== null) throw new Error(`it ended before it printed ${pattern}:\n${running.output}`)
        await Promise.race([once(child.stdout, 'data'), once(child.stderr, 'data'), running.ended])
      }
    },
  }
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text) => (running.output += text))
  }
  return running
}

/**
 * @param {string} url
 * @param {string} [body]
 * @returns {Promise<{ status: number | undefined, headers: import('node:http').IncomingHttpHeaders, text: string }>}
 */
function ask(url, body) {
  return new Promise((done, fail) => {
    const call = request(url, { method: body === undefined ? 'GET' : 'POST', agent: false }, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (piece) => (text += piece))
      response.on('error', fail).on('end', () => done({ status: response.statusCode, headers: response.headers, text }))
    })
    call.on('error', fail)
    call.end(body)
  })
}

/** Resolves when somebody listens at a port. @param {number} port */
async function answers(port) {
  for (;;) {
    const isThere = await ask(`http://127.0.0.1:${port}/`).then(
      () => true,
      () => false,
    )
    if (isThere) return
    await new Promise((wake) => setTimeout(wake, 20))
  }
}

/**
 * Invokes a function under the emulator, one event after the other.
 *
 * @param {Record<string, string>} env
 * @param {(invoke: (event: object) => Promise<any>) => Promise<void>} test
 */
async function underEmulator(env, test) {
  const [port, api] = [await freePort(), await freePort()]
  const addresses = ['--runtime-interface-emulator-address', `127.0.0.1:${port}`, '--runtime-api-address']
  const running = start(
    emulator,
    [...addresses, `127.0.0.1:${api}`, process.execPath, runtimeClient, 'functions.buffered'],
    env,
  )
  try {
    await answers(port)
    await test(async (event) => {
      const { text } = await ask(
        `http://127.0.0.1:${port}/2015-03-31/functions/function/invocations`,
        JSON.stringify(event),
      )
      return JSON.parse(text)
    })
    return running
  } finally {
    running.child.kill('SIGTERM')
    await running.ended
  }
}

async function buffered() {
  const { output } = await underEmulator({}, async (invoke) => {
    const cookies = { statusCode: 201, body: 'cookies' }
    const url = await invoke(functionUrlEvent({ rawPath: '/cookies/' }))
    assert.deepEqual({ statusCode: url.statusCode, body: url.body }, cookies)
    assert.deepEqual(url.cookies, ['a=1; Path=/', 'b=2'])
    const rest = await invoke(restEvent({ path: '/cookies/', requestContext: {} }))
    assert.deepEqual(rest.multiValueHeaders['set-cookie'], ['a=1; Path=/', 'b=2'])
    const seen = JSON.parse((await invoke(functionUrlEvent({ rawPath: '/seen/' }))).body)
    assert.match(seen.request_id, /^[0-9a-f-]{36}$/)
    assert.equal((await invoke(functionUrlEvent({ rawPath: '/bytes/7000000' }))).statusCode, 413)
    assert.deepEqual(await invoke(queueEvent('ok', 'fail')), { batchItemFailures: [{ itemIdentifier: 'message-1' }] })
    const refused = await invoke({ Records: [] })
    assert.equal(refused.errorType, 'PythonError')
  })
  assert.match(output, /Internal agent amphis .* registered/)
  assert.equal(output.match(/lifespan startup/g)?.length, 1)
  assert.ok(
    output.indexOf('init is over') < output.indexOf('INIT RTDONE(status: success)'),
    'the start is not in the init',
  )
  assert.match(output, /lifespan shutdown/)
  say(`${green('✔')} the emulator: events, errors, the limit of 6 MB; one lifespan, in the init and at the end`)
}

async function deadline() {
  await underEmulator({ AWS_LAMBDA_FUNCTION_TIMEOUT: '2' }, async (invoke) => {
    await invoke(functionUrlEvent({ rawPath: '/empty/' }))
    const late = await invoke(functionUrlEvent({ rawPath: '/hang/x' }))
    assert.deepEqual({ statusCode: late.statusCode, body: late.body }, { statusCode: 504, body: 'Gateway Timeout' })
    assert.equal((await invoke(functionUrlEvent({ rawPath: '/empty/' }))).statusCode, 204)
  })
  say(`${green('✔')} the emulator: near the deadline the caller gets a 504, and the environment lives on`)
}

async function streamed() {
  const folder = mkdtempSync(join(tmpdir(), 'amphis-lambda-'))
  const api = await RuntimeApi.start()
  const front = await serveFunctionUrl(api)
  const running = start(process.execPath, [runtimeClient, 'functions.streamed'], {
    AWS_LAMBDA_RUNTIME_API: api.address,
    AWS_LAMBDA_FUNCTION_NAME: 'function',
    AWS_LAMBDA_FUNCTION_VERSION: '$LATEST',
  })
  try {
    await running.prints(/init is over/)
    // The app sends a piece when the one before it has come here.
    const [response] = /** @type {[import('node:http').IncomingMessage]} */ (
      await once(get(`${front.url}/paced${folder}`), 'response')
    )
    assert.equal(response.headers['content-type'], 'text/event-stream')
    assert.deepEqual(response.headers['set-cookie'], ['a=1', 'b=2'])
    for (let number = 0; number < 3; number++) {
      const next = once(response, 'data')
      writeFileSync(join(folder, String(number)), '')
      const [piece] = await next
      assert.equal(String(piece), `data: ${number}\n\n`)
    }
    const empty = await ask(`${front.url}/empty/`)
    assert.equal(empty.status, 204)
    assert.equal(empty.headers['x-empty'], 'yes')
    assert.equal((await ask(`${front.url}/bytes/20000000`)).text.length, 20_000_000)
    assert.equal((await ask(`${front.url}/raise/`)).status, 500)
    await assert.rejects(ask(`${front.url}/raise-late/`), { code: 'ECONNRESET' })
    assert.equal((await ask(`${front.url}/empty/`)).status, 204)
  } finally {
    running.child.kill('SIGKILL')
    await running.ended
    await front.close()
    await api.close()
    rmSync(folder, { recursive: true })
  }
  say(`${green('✔')} the runtime client: streams piece by piece, their heads, and how they end`)
}

/** What Lambda gives a container: nobody's user, and nothing to write to but /tmp. */
const asLambda = ['run', '--rm', '--read-only', '--tmpfs', '/tmp:size=512m', '--user', '993:990', '--network', 'host']

/** @param {import('./lib/containers.mjs').Engine} engine */
async function image(engine) {
  const built = await buildTemplateImage(engine, python)
  const api = await RuntimeApi.start()
  const front = await serveFunctionUrl(api)
  const environment = {
    AWS_LAMBDA_RUNTIME_API: api.address,
    AWS_LAMBDA_FUNCTION_NAME: 'shop',
    AWS_LAMBDA_FUNCTION_VERSION: '$LATEST',
  }
  const variables = Object.entries(environment).flatMap(([name, value]) => ['--env', `${name}=${value}`])
  const name = `amphis-test-lambda-${process.pid}`
  const running = start('docker', [...asLambda, '--name', name, ...variables, built], engine.env)
  try {
    await Promise.race([
      api.idle(),
      running.ended.then(() => assert.fail(`the function has ended:\n${running.output}`)),
    ])
    const hello = await ask(`${front.url}/hello/Ada`)
    assert.equal(hello.status, 200, running.output)
    const { message, left } = JSON.parse(hello.text)
    assert.equal(message, 'Hello, Ada')
    assert.ok(left > 0 && left <= 30_000, `${left} ms are left`)
    const [tokens] = /** @type {[import('node:http').IncomingMessage]} */ (
      await once(get(`${front.url}/tokens`), 'response')
    )
    const pieces = []
    for await (const piece of tokens) pieces.push(String(piece))
    assert.deepEqual(
      pieces,
      ['one', 'two', 'three'].map((word) => `data: ${word}\n\n`),
    )
    const { body, isError } = await api.invoke(queueEvent('ok'))
    assert.equal(isError, false)
    assert.deepEqual(JSON.parse(await textOf(body)), { batchItemFailures: [] })
  } finally {
    await once(spawn('docker', ['rm', '--force', name], { env: { ...process.env, ...engine.env } }), 'close')
    await running.ended
    await front.close()
    await api.close()
  }
  const layers = await run('docker', ['history', '--no-trunc', built], { env: engine.env, quiet: true })
  assert.equal(layers.code, 0)
  assert.doesNotMatch(layers.output, /registry=|index-url|extra-index|_authToken|npm_config/i)
  say(`${green('✔')} the image of the template: a request, a stream piece by piece, an event; read-only, nobody's user`)
}

await main(async () => {
  await setUp()
  await complete([emulatorStep, runtimeClientStep])
  await buffered()
  await deadline()
  await streamed()
  const engine = await containersForTests(say)
  if (engine === undefined) return 0
  try {
    await image(engine)
  } finally {
    engine.release()
  }
  return 0
})

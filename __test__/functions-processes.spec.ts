import test from 'ava'
import { buildExample, processService } from './helpers/functions.js'

const { runtime, remove } = await buildExample()
test.after.always(remove)

const nodeFiles = {
  'index.mjs': `
    import { readFileSync } from 'node:fs'
    let calls = 0
    export const handler = async (event, context) => {
      calls += 1
      console.log('greeting', event.name)
      if (event.fail) throw new RangeError('no ' + event.name)
      if (event.exit) process.exit(3)
      if (event.loop) for (;;);
      return { hello: event.name, calls, id: context.requestId, left: context.getRemainingTimeInMillis() }
    }
    export const environment = () => Object.keys(process.env).toSorted()`,
}
const pythonFiles = {
  'app.py': `
import os
import sys

def hello(event, context):
    print("greeting", event["name"])
    print("to stderr", file=sys.stderr)
    if event.get("fail"):
        raise LookupError("no " + event["name"])
    return {"hello": event["name"], "big": 2**60, "id": context.request_id, "left": context.get_remaining_time_in_millis()}

async def later(event, context):
    return [event, os.getpid()]
`,
}

test('a function of each language is deployed, invoked, has its logs, and is removed', async (t) => {
  const { ask, deploy, invoke } = await processService(t, runtime)
  for (const [spec, files] of [
    [{ name: 'hello-node', runtime: 'node', handler: 'index.handler' }, nodeFiles],
    [{ name: 'hello-python', runtime: 'python', handler: 'app.hello' }, pythonFiles],
  ] as const) {
    const deployed = await deploy(spec, files)
    t.is(deployed.status, 201, deployed.text)
    t.like(deployed.body, { ...spec, state: 'ready', version: 1, instances: { running: 1 } })

    const { status, body } = await invoke(spec.name, { name: 'Ada' })
    t.is(status, 200, JSON.stringify(body))
    t.like(body, { status: 'ok', attempts: 1, result: { hello: 'Ada', id: body.id } })
    const { left } = body.result as { left: number }
    t.true(left > 20_000 && left <= 30_000)

    const failed = await invoke(spec.name, { name: 'tea', fail: true })
    t.is(failed.status, 502)
    t.is(failed.body.error.errorMessage, 'no tea')
    t.is(failed.body.error.errorType, spec.runtime === 'node' ? 'RangeError' : 'LookupError')
    t.regex(
      failed.body.error.stackTrace.join('\n'),
      spec.runtime === 'node' ? /at handler .*index\.mjs/ : /app\.py", line 9/,
    )

    const described = await ask('GET', `/yafaas/functions/${spec.name}`)
    const logs = described.body.logs as { requestId: string; stream: string; text: string }[]
    t.true(
      logs.some(
        ({ requestId, stream, text }) => requestId === body.id && stream === 'stdout' && text === 'greeting Ada',
      ),
    )
    t.true(logs.some(({ requestId, stream }) => requestId === body.id && stream === 'end'))

    t.is((await ask('DELETE', `/yafaas/functions/${spec.name}`)).status, 204)
    t.is((await invoke(spec.name)).status, 404)
  }
})

test('integers of Python keep all their digits, and coroutines are awaited', async (t) => {
  const { ask, deploy } = await processService(t, runtime)
  await deploy({ name: 'big', runtime: 'python', handler: 'app.hello' }, pythonFiles)
  const { text } = await ask('POST', '/yafaas/events', { function: 'big', payload: { name: 'Ada' } })
  t.regex(text, /"big": 1152921504606846976/)
  await deploy({ name: 'later', runtime: 'python', handler: 'app.later' }, pythonFiles)
  const { body } = await ask('POST', '/yafaas/events', { function: 'later', payload: [1, 'two'] })
  t.deepEqual((body.result as unknown[])[0], [1, 'two'])
})

test('a time-out ends the child and not the container: the next invocation finds a new one', async (t) => {
  const { deploy, invoke, ask } = await processService(t, runtime)
  await deploy({ name: 'loops', runtime: 'node', handler: 'index.handler', timeout: 500 }, nodeFiles)
  t.like((await invoke('loops', { name: 'a' })).body.result, { calls: 1 })
  const late = await invoke('loops', { name: 'b', loop: true })
  t.is(late.status, 502)
  t.like(late.body.error, { errorType: 'Function.TimedOut', errorMessage: 'the function took longer than 500 ms' })
  t.like((await invoke('loops', { name: 'c' })).body.result, { calls: 1 })
  t.like((await ask('GET', '/yafaas/functions/loops')).body.instances, { running: 1, stopped: 0 })
})

test('an event whose child dies is tried three times, then it is among the dead letters', async (t) => {
  const { deploy, invoke, ask } = await processService(t, runtime)
  await deploy({ name: 'dies', runtime: 'node', handler: 'index.handler' }, nodeFiles)
  const { status, body } = await invoke('dies', { name: 'poison', exit: true })
  t.is(status, 502)
  t.like(body, { attempts: 3, dead: true, error: { errorType: 'Function.Exited' } })
  const { deadLetters } = (await ask('GET', '/yafaas/functions/dies/dead-letters')).body
  t.is(deadLetters.length, 1)
  t.deepEqual(JSON.parse(deadLetters[0]!.job.payload), { name: 'poison', exit: true })
  t.is((await invoke('dies', { name: 'well' })).status, 200)
})

test('an asynchronous event gives an id, its outcome is asked for, and its failure is tried again', async (t) => {
  const { deploy, ask } = await processService(t, runtime)
  await deploy({ name: 'later', runtime: 'node', handler: 'index.handler' }, nodeFiles)
  const outcomeOf = async (payload: object) => {
    const { status, body } = await ask('POST', '/yafaas/events?async=1', { function: 'later', payload })
    t.is(status, 202)
    for (;;) {
      const answer = await ask('GET', `/yafaas/events/${body.id}`)
      if (answer.status === 200) return answer.body
      t.is(answer.body.error.code, 'no-event')
    }
  }
  t.like(await outcomeOf({ name: 'Ada' }), { status: 'ok', attempts: 1, result: { hello: 'Ada' } })
  t.like(await outcomeOf({ name: 'x', fail: true }), { status: 'error', attempts: 3, dead: true })
})

test('an event of the same id is the same event', async (t) => {
  const { deploy, ask } = await processService(t, runtime)
  await deploy({ name: 'once', runtime: 'node', handler: 'index.handler' }, nodeFiles)
  const event = { function: 'once', payload: { name: 'Ada' }, id: 'event-0001' }
  const first = await ask('POST', '/yafaas/events', event)
  const second = await ask('POST', '/yafaas/events', event)
  t.deepEqual(second.body, first.body)
  t.like(first.body.result, { calls: 1 })
})

test('a function that cannot be loaded says why in each answer', async (t) => {
  const { deploy, invoke } = await processService(t, runtime)
  await deploy({ name: 'broken', runtime: 'python', handler: 'app.missing' }, pythonFiles)
  const { body } = await invoke('broken', {})
  t.is(body.error.errorMessage, 'app.missing: app has no function missing')
  await deploy({ name: 'absent', runtime: 'node', handler: 'nowhere.handler' }, nodeFiles)
  t.is((await invoke('absent', {})).body.error.errorType, 'Runtime.HandlerNotFound')
})

test('a function sees neither the token nor the environment of the service', async (t) => {
  process.env.AMPHIS_FUNCTIONS_SECRET = 'of the service'
  const { deploy, invoke } = await processService(t, runtime)
  const environment = { GREETING: 'hello' }
  await deploy({ name: 'env', runtime: 'node', handler: 'index.environment', environment }, nodeFiles)
  const names = (await invoke('env')).body.result as string[]
  t.true(names.includes('GREETING'))
  t.deepEqual(
    names.filter((name) => /TOKEN|SECRET|^EVENTS_/.test(name)),
    [],
  )
})

test('an idle function has no instance, and the next event starts one again', async (t) => {
  const { deploy, invoke, ask } = await processService(t, runtime, { idle: 300 })
  await deploy({ name: 'idle', runtime: 'node', handler: 'index.handler' }, nodeFiles)
  for (;;) {
    const { body } = await ask('GET', '/yafaas/functions/idle')
    if (body.instances.running === 0) break
  }
  t.is((await invoke('idle', { name: 'Ada' })).status, 200)
})

test('a new version replaces the old one; the name is taken otherwise', async (t) => {
  const { ask, deploy, invoke } = await processService(t, runtime)
  const spec = { name: 'twice', runtime: 'node', handler: 'index.handler' }
  await deploy(spec, { 'index.mjs': 'export const handler = () => 1' })
  const taken = await deploy(spec, { 'index.mjs': 'export const handler = () => 2' })
  t.is(taken.status, 409)
  t.is(taken.body.error.code, 'name-taken')
  t.is((await invoke('twice')).body.result, 1)
  const replaced = await ask('POST', '/yafaas/functions', {
    ...spec,
    replace: true,
    files: { 'index.mjs': 'export const handler = () => 2' },
  })
  t.like(replaced.body, { version: 2, instances: { running: 1, stopped: 0 } })
  t.is((await invoke('twice')).body.result, 2)
})

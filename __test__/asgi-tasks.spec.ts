import test, { type ExecutionContext } from 'ava'
import { runNode } from './helpers/node-process.js'
import { shareProbe, unique } from './helpers/probe.js'
import { shareHandler } from './helpers/python.js'

const tasks = shareHandler('tasks:app')
const probe = shareProbe()
const ask = async (path: string): Promise<unknown> => (await tasks.handle({ url: path })).json()

for (const [path, expected] of [
  ['current_task', [true, true, false, true, true]],
  ['other_tasks', [true, true, false]],
  ['names', [true, ['app', 'names'], true, true]],
  ['wait_for', 'timed out'],
  ['fail_after', 'timed out'],
  ['move_on_after', true],
  ['task_group', [0, 1, 2, 3, 4]],
  ['gather', [0, 1, 2, 3, 4]],
  ['cancels_itself', 'caught'],
  ['to_thread', 'seen in the thread'],
  ['from_thread', 'from the loop'],
  ['run_coroutine_threadsafe', 'from the loop'],
  ['call_soon_threadsafe', 'woken'],
  ['create_tasks_of_receive_and_send', 'sent by tasks'],
  ['waits_first_completed', ['worked']],
  ['async_generator', [0, 1, 2]],
  ['streams', 'HELLO\n'],
  ['debug', false],
] as const) {
  test(`what asyncio promises holds in an app: ${path}`, async (t) => {
    t.deepEqual(await ask(`/${path}`), expected)
  })
}

test('what receive() returns can be awaited once, and who awaits it is woken', async (t) => {
  const name = unique()
  const [first, again, other, isDone] = (await ask(`/awaits_once_only?${name}`)) as [string, string, string, boolean]
  t.is(first, 'http.request')
  t.regex(again, /already awaited/)
  t.regex(other, /being awaited/)
  t.false(isDone)
  t.is(await probe.wait(name), 'http.disconnect')
})

test('every request has a context of its own', async (t) => {
  for (let index = 0; index < 3; index++) t.deepEqual(await ask('/context'), ['unset', 'set by a request'])
  const together = await Promise.all(Array.from({ length: 20 }, async () => ask('/context')))
  for (const seen of together) t.deepEqual(seen, ['unset', 'set by a request'])
})

/** What an app answers, alone in its process: it changes the event loop. */
async function askInTurn(t: ExecutionContext, paths: readonly string[]): Promise<unknown> {
  const child = runNode(
    t,
    'tasks:app',
    `const handler = new PythonHandler(options)
     const answers = []
     for (const path of ${JSON.stringify(paths)}) answers.push(await (await handler.handle({ url: path })).json())
     console.log(JSON.stringify(answers))`,
  )
  const { code, stdout, stderr } = await child.ends()
  t.is(code, 0, stderr)
  t.is(stderr, '')
  return JSON.parse(stdout)
}

test('an app that replaces the loop’s call_soon keeps what it has put there', async (t) => {
  const answers = await askInTurn(t, [
    '/replaces_call_soon',
    '/gather',
    '/context',
    '/gather',
    '/restores_call_soon',
    '/gather',
  ])
  const gathered = [0, 1, 2, 3, 4]
  t.deepEqual(answers, ['replaced', gathered, ['unset', 'set by a request'], gathered, true, gathered])
})

test('what is scheduled while a task is made is called', async (t) => {
  const answers = await askInTurn(t, [
    '/schedules_when_tasks_are_made',
    '/current_task',
    '/gather',
    '/context',
    '/what_was_scheduled',
  ])
  t.deepEqual((answers as unknown[]).at(-1), [true, true, true])
})

test('all of it holds in asyncio’s debug mode, in silence', async (t) => {
  const child = runNode(
    t,
    { app: 'tasks:app', lifespan: 'off' },
    `const handler = new PythonHandler(options)
     const paths = ['debug', 'current_task', 'names', 'fail_after', 'task_group', 'to_thread', 'waits_first_completed', 'create_tasks_of_receive_and_send']
     for (const path of paths) console.log(path, await (await handler.handle({ url: '/' + path })).text())`,
    { env: { PYTHONASYNCIODEBUG: '1' } },
  )
  const { code, stdout, stderr } = await child.ends()
  t.is(code, 0, stderr)
  t.deepEqual(stdout.trim().split('\n'), [
    'debug true',
    'current_task [true, true, false, true, true]',
    'names [true, ["app", "names"], true, true]',
    'fail_after "timed out"',
    'task_group [0, 1, 2, 3, 4]',
    'to_thread "seen in the thread"',
    'waits_first_completed ["worked"]',
    'create_tasks_of_receive_and_send "sent by tasks"',
  ])
  t.notRegex(stderr, /never awaited|Traceback|Error/)
})

for (const how of ['from the start', 'once an app has turned it on'] as const) {
  test(`asyncio’s debug mode, ${how}, names the request and the app of a slow first step`, async (t) => {
    const isEarly = how === 'from the start'
    const child = runNode(
      t,
      { app: 'tasks:app', lifespan: 'off' },
      `const handler = new PythonHandler(options)
       for (const url of ${JSON.stringify(isEarly ? [] : ['/debug_from_here'])}) await (await handler.handle({ url })).text()
       console.log(await (await handler.handle({ url: '/slow_first_step?token=secret', method: 'PUT' })).text())`,
      { env: isEarly ? { PYTHONASYNCIODEBUG: '1' } : {} },
    )
    const { code, stdout, stderr } = await child.ends()
    t.is(code, 0, stderr)
    t.is(stdout, '"done"\n')
    t.regex(
      stderr,
      /^Executing <Task finished name='PUT \/slow_first_step' coro=<tasks\.app\(\).* took 0\.\d+ seconds$/m,
    )
    // Nor what has begun it; that may be slow by itself on a busy machine.
    t.notRegex(stderr, /drain\(\).* took (?:0\.[4-9]|[1-9])|secret/)
  })
}

test('in asyncio’s debug mode a request that is cancelled before it has begun is over', async (t) => {
  const child = runNode(
    t,
    { app: 'tasks:app', lifespan: 'off', timeoutGracefulShutdown: 0 },
    `const handler = new PythonHandler({ ...options, timeoutRequest: 50 })
     await handler.ready()
     const codes = ['/slow_first_step', '/slow_first_step'].map((url) => handler.handle({ url }).catch((error) => error.code))
     console.log((await Promise.all(codes)).join(' '))
     await handler.close()
     console.log('closed')`,
    { env: { PYTHONASYNCIODEBUG: '1' } },
  )
  const { code, stdout, stderr } = await child.ends()
  t.is(code, 0, stderr)
  t.is(stdout, 'AMPHIS_ERR_REQUEST_TIMEOUT AMPHIS_ERR_REQUEST_TIMEOUT\nclosed\n')
  t.notRegex(stderr, /never awaited|Traceback/)
})

test('a FastAPI app runs in asyncio’s debug mode', async (t) => {
  const child = runNode(
    t,
    'fastapi_app:app',
    `const handler = new PythonHandler(options)
     for (const url of ['/items/3', '/sync', '/dependency?name=debug', '/lines/3']) {
       const response = await handler.handle({ url })
       console.log(response.status, (await response.text()).length > 0)
     }`,
    { env: { PYTHONASYNCIODEBUG: '1' } },
  )
  const { code, stdout, stderr } = await child.ends()
  t.is(code, 0, stderr)
  t.is(stdout, '200 true\n'.repeat(4), stderr)
  t.notRegex(stderr, /never awaited|Traceback/)
})

import test from 'ava'
import { runNode } from './helpers/node-process.js'

const line = `${'x'.repeat(63)}\n`
const mebibyte = line.repeat(2 ** 20 / 64)

/** A script that asks the app for one path, proves that Node itself still runs, and leaves. */
const ask = (path: string) => `
  const handler = new PythonHandler(options)
  await handler.ready()
  const response = handler.handle({ url: '${path}' })
  let turns = 0
  const turning = setInterval(() => {
    if (++turns === 20) process.stderr.write('js: Node is alive\\n')
  }, 1)
  await (await response).text()
  clearInterval(turning)
  process.stderr.write('js: answered\\n')
`

for (const [path, expected] of [
  ['/stdout', mebibyte],
  ['/stdout/thread', mebibyte],
  ['/buffer', 'y'.repeat(2 ** 20)],
] as const) {
  test(`a MiB printed by ${path} into a pipe that nobody reads yet arrives whole`, async (t) => {
    const child = runNode(t, { app: 'print_mb:app', lifespan: 'off' }, ask(path), { reading: 'later' })
    // Python waits in its print, the pipe being full; Node does not wait with it.
    await child.prints('js: Node is alive')
    child.read()
    const { code, stdout, stderr } = await child.ends()
    t.is(code, 0, stderr)
    t.is(stdout.length, expected.length)
    t.true(stdout === expected)
    t.true(stderr.includes('js: answered'), stderr)
  })
}

test('a MiB printed to stderr arrives whole', async (t) => {
  const child = runNode(t, { app: 'print_mb:app', lifespan: 'off' }, ask('/stderr'))
  const { code, stderr } = await child.ends()
  t.is(code, 0)
  // Node's own lines may stand in the middle of one of Python's.
  t.is(stderr.match(/x/g)?.length, 63 * (2 ** 20 / 64))
})

test('what is printed but not flushed arrives when the process leaves', async (t) => {
  const child = runNode(
    t,
    { app: 'print_mb:app', lifespan: 'off' },
    `const handler = new PythonHandler(options)
     await (await handler.handle({ url: '/unflushed' })).text()
     process.exit(0)`,
  )
  t.is((await child.ends()).stdout, 'not flushed by the app\n')
})

test('print writes UTF-8', async (t) => {
  const child = runNode(t, { app: 'print_mb:app', lifespan: 'off' }, ask('/unicode'), {
    // As a container without a locale has it.
    env: { LC_ALL: 'C', LANG: 'C' },
  })
  t.is((await child.ends()).stdout, 'café ☃ 🐍\n')
})

test('JavaScript and Python print without losing each other’s lines', async (t) => {
  const child = runNode(
    t,
    { app: 'print_mb:app', lifespan: 'off' },
    `const handler = new PythonHandler(options)
     for (let i = 0; i < 50; i++) {
       console.log('js: ' + i)
       await (await handler.handle({ url: '/unicode' })).text()
     }`,
  )
  const { stdout } = await child.ends()
  const lines = stdout.split('\n')
  t.is(lines.filter((text) => /^js: \d+$/.test(text)).length, 50)
  t.is(lines.filter((text) => text === 'café ☃ 🐍').length, 50)
})

test('a reader that goes away does not kill the process', async (t) => {
  const child = runNode(
    t,
    { app: 'print_mb:app', lifespan: 'off' },
    `const handler = new PythonHandler(options)
     await handler.ready()
     process.stderr.write('js: ready\\n')
     process.stdin.once('data', async () => {
       // Python's print raises BrokenPipeError, an error like any other.
       await handler.handle({ url: '/stdout' }).then((r) => r.text()).catch((error) => process.stderr.write('js: ' + error.type + '\\n'))
       process.stderr.write('js: still here\\n')
       process.exit(0)
     })`,
    { reading: 'later' },
  )
  await child.prints('js: ready')
  child.child.stdout.destroy()
  child.child.stdin.write('go\n')
  const { code, signal, stderr } = await child.ends()
  t.is(signal, null, stderr)
  t.is(code, 0, stderr)
  t.regex(stderr, /js: BrokenPipeError\n[\s\S]*js: still here/)
})

test('children of Python inherit stdout and stderr', async (t) => {
  const { code, stdout, stderr } = await runNode(t, { app: 'print_mb:app', lifespan: 'off' }, ask('/child')).ends()
  t.is(code, 0, stderr)
  t.is(stdout, 'from a child\n')
  t.true(stderr.includes('and its stderr\n'), stderr)
})

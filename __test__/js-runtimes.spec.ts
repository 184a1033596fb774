import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import { describeNode } from '../lib/js/engine.js'
import { isThorough, snapshots, testWithEngine } from './helpers/engine.js'
import { amphisRun, start } from './helpers/plain-python.js'
import { createHandler, fixtures, python } from './helpers/python.js'

// Isolated runtimes, which Python drives. What they do is tested by pytest, inside of Node.js.

const folder = join(fixtures, 'js')

for (const file of readdirSync(folder).filter((name) => name.startsWith('test_'))) {
  for (const snapshot of snapshots) {
    testWithEngine(`pytest passes inside of Node.js: ${file} (${snapshot}'s snapshot)`, async (t) => {
      const args = [...amphisRun, '-m', 'pytest', '-q', '-p', 'no:cacheprovider', join(folder, file)] as const
      const options = { stdin: '', cwd: folder, env: { AMPHIS_JS_SNAPSHOT: snapshot } }
      const { code, signal, stdout, stderr } = await start(t, args, options).ends()
      t.is(code, 0, `${signal ?? ''}${stdout}${stderr}`)
    })
  }
}

for (const snapshot of snapshots) {
  testWithEngine(`nothing gets out of a runtime (${snapshot}'s snapshot)`, async (t) => {
    const args = [...amphisRun, join(folder, 'escapes.py')] as const
    const env = { AMPHIS_JS_SNAPSHOT: snapshot }
    const { code, stdout, stderr } = await start(t, args, { stdin: '', cwd: folder, env }).ends()
    t.is(code, 0, stderr)
    const { attempts, escaped } = JSON.parse(stdout) as { attempts: number; escaped: Record<string, string[]> }
    t.deepEqual(escaped, {})
    t.true(attempts > 50)
  })
}

testWithEngine('runtimes do the same work, whatever snapshot they are made of', async (t) => {
  const program = join(folder, 'formats.py')
  const done: { formatted: string; heap: number[]; limits: number[] }[] = []
  for (const snapshot of snapshots) {
    const env = { AMPHIS_JS_SNAPSHOT: snapshot, ROUNDS: isThorough ? '60' : '3' }
    const { code, stdout, stderr } = await start(t, [...amphisRun, program], { stdin: '', cwd: folder, env }).ends()
    t.is(code, 0, stderr)
    done.push(JSON.parse(stdout))
  }
  const [nodes, v8s = nodes] = done
  t.is(v8s?.formatted, nodes?.formatted)
  t.is(nodes?.limits.length, 1)
  t.deepEqual(v8s?.limits, nodes?.limits)
  // Of the first runtime, and of a later one.
  const most = (nodes?.heap[0] ?? 0) / (snapshots.length === 1 ? 0.9 : 2)
  for (const heap of v8s?.heap ?? []) t.true(heap < most, `${heap} bytes`)
})

for (const [how, expected] of [
  ['end', 0],
  ['exit', 3],
  ['javascript', 4],
] as const) {
  testWithEngine(`a process that ends by "${how}" while threads are in runtimes does not crash`, async (t) => {
    // Under load, which Node.js' own processes stand for.
    if (isThorough) for (const _ of [1, 2]) start(t, [process.execPath, '-e', 'for (;;);'])
    for (let round = 0; round < (isThorough ? 67 : 7); round++) {
      const args = [...amphisRun, join(folder, 'exits.py'), how] as const
      const { code, signal, stderr } = await start(t, args, { stdin: '', cwd: folder }).ends()
      t.is(signal, null, stderr)
      t.is(code, expected, stderr)
      // The threads end in silence, as Python's daemon threads do.
      t.is(stderr, '')
    }
  })
}

testWithEngine('a process that ends while streams are open, and a runtime is made ready, does not crash', async (t) => {
  for (let round = 0; round < (isThorough ? 40 : 4); round++) {
    const args = [...amphisRun, join(folder, 'streams_left.py')] as const
    const { code, signal, stderr } = await start(t, args, { stdin: '', cwd: folder }).ends()
    t.is(signal, null, stderr)
    t.is(code, 3, stderr)
    t.is(stderr, '')
  }
})

for (const [app, answer, program] of [
  ['served', '6\n', 'ends.mjs'],
  ['busy', '2\n', 'ends.mjs'],
  ['served', '6\n', 'ends_in_worker.mjs'],
  ['busy', '2\n', 'ends_in_worker.mjs'],
] as const) {
  testWithEngine(`a process that ends by itself does not crash over runtimes: ${app}, ${program}`, async (t) => {
    // Whether a thread is still in its runtime when the gate closes is a race, so it is tried again and again, side by side.
    const args = [process.execPath, join(folder, program), `${app}:app`, python] as const
    for (let round = 0; round < (isThorough ? 20 : 2); round++) {
      const processes = Array.from({ length: 4 }, () => start(t, args, { stdin: '', cwd: folder }).ends())
      for (const { code, signal, stdout, stderr } of await Promise.all(processes)) {
        t.is(signal, null, stderr)
        t.is(code, 5, stderr)
        t.is(stderr, '')
        t.is(stdout, answer)
      }
    }
  })
}

testWithEngine('runtimes that are made and closed leave nothing behind', async (t) => {
  const args = [...amphisRun, join(folder, 'growth.py'), isThorough ? '10000' : '500'] as const
  const { code, stdout, stderr } = await start(t, args, { stdin: '', cwd: folder }).ends()
  t.is(code, 0, stderr)
  const { mebibytes, threads, descriptors } = JSON.parse(stdout) as Record<string, number>
  t.log(stdout.trim())
  t.is(threads, 0)
  t.is(descriptors, 0)
  t.true((mebibytes ?? Infinity) < 24, `${mebibytes} MiB`)
})

testWithEngine('long streams take little memory', async (t) => {
  const program = fileURLToPath(new URL('../bench/apps/runtimes/streams.py', import.meta.url))
  const { code, stdout, stderr } = await start(t, [...amphisRun, program, '192'], { stdin: '', cwd: folder }).ends()
  t.is(code, 0, stderr)
  t.log(stdout.trim())
  const figures = Object.values(JSON.parse(stdout) as Record<string, Record<string, number>>)
  t.is(figures.length, 2)
  // 200 MB have gone through each way; what V8 has not collected is some of it.
  for (const { 'grown by': megabytes } of figures) t.true((megabytes ?? Infinity) < 100, `${megabytes} MB`)
})

testWithEngine('a served app runs JavaScript', async (t) => {
  const handler = createHandler(t, { app: 'served:app', appDir: folder })
  const response = await handler.handle(new Request('http://localhost/'))
  t.is(await response.text(), '6')
  const many = Array.from({ length: 20 }, () => handler.handle(new Request('http://localhost/later')))
  const texts = await Promise.all(many.map(async (answer) => (await answer).text()))
  t.deepEqual(
    texts,
    Array.from(texts, () => '3,4'),
  )
})

test('a Node.js with pointer compression, with V8’s sandbox, or of Electron is an obstacle', (t) => {
  const node = { versions: { node: '24.0.0', modules: '137' }, config: { variables: {} }, execPath: '/node' }
  t.deepEqual(describeNode(node), { version: '24.0.0', moduleVersion: 137, program: '/node' })
  const having = (variables: Record<string, unknown>) => describeNode({ ...node, config: { variables } }).obstacle
  t.regex(having({ v8_enable_pointer_compression: 1 }) ?? '', /pointer compression/)
  t.regex(having({ v8_enable_sandbox: 1 }) ?? '', /sandbox/)
  t.is(having({ v8_enable_sandbox: 0, v8_enable_pointer_compression: 0 }), undefined)
  t.regex(describeNode({ ...node, versions: { ...node.versions, electron: '30.0.0' } }).obstacle ?? '', /Electron/)
})

const preloads = (code: string) => ({
  NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(code)}`,
})
const tries = `
import amphis
try:
    from amphis import js
    print("imported", js.eval("1 + 1"))
except amphis.EngineUnavailable as error:
    print("unavailable", error, isinstance(error, ImportError))
import json
print(json.dumps(1))
`

test.serial('where there is no engine, importing amphis.js says why, and all else goes on', async (t) => {
  const args = [...amphisRun, '-c', tries] as const
  const electron = preloads(`Object.defineProperty(process.versions, 'electron', { value: '30.0.0' })`)
  const refused = await start(t, args, { stdin: '', env: electron }).ends()
  t.regex(refused.stdout, /^unavailable .*Electron.*tested with Node\.js 20\..* True\n1\n$/, refused.stderr)
  const unknown = preloads(`Object.defineProperty(process.versions, 'modules', { value: '1' })`)
  const missing = await start(t, args, { stdin: '', env: unknown }).ends()
  t.regex(missing.stdout, /^unavailable .*there is no engine-1\./, missing.stderr)
})

testWithEngine('an unknown version of Node.js is tried in a process of its own', async (t) => {
  const unknown = preloads(`Object.defineProperty(process.versions, 'node', { value: '${process.versions.node}9' })`)
  const { stdout, stderr } = await start(t, [...amphisRun, '-c', tries], { stdin: '', env: unknown }).ends()
  t.is(stdout, 'imported 2\n1\n', stderr)
})

import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import test, { type ExecutionContext } from 'ava'
import { PATIENCE } from './helpers/patience.js'
import { runNode } from './helpers/node-process.js'
import { fixtures, interpreter, loop, python } from './helpers/python.js'

// Calls where processes, threads and environments come and go.

const appDir = `${fixtures}/calls`
const bin = `${fixtures}/../bin/amphis.js`

/** A Node process in which `Python` and its options are known. */
function run(t: ExecutionContext, source: string) {
  const prelude = `const { Python } = await import(publicFace)
    const python = new Python(${JSON.stringify({ appDir, python, loop })})`
  return runNode(t, 'unused:app', `${prelude}\n${source}`)
}

async function output(t: ExecutionContext, source: string): Promise<string> {
  const { code, stdout, stderr } = await run(t, source).ends()
  t.is(code, 0, stderr)
  t.is(stderr, '')
  return stdout
}

test.serial('an idle Python does not keep Node alive, a call under way does', async (t) => {
  const stdout = await output(
    t,
    `const { search, add } = await python.import('model')
     console.log(await add(1))
     search('tea').then((found) => console.log(found.length))`,
  )
  t.is(stdout, '2\n3\n')
})

test.serial('one that was never used costs nothing', async (t) => {
  t.is(await output(t, `await python.close()`), '')
})

test.serial('a process that ends while Python waits for it ends at once, with its code', async (t) => {
  const child = run(
    t,
    `const modes = await python.import('modes')
     await modes.block_in_background()
     modes.hang().catch(() => {})
     const host = await import(${JSON.stringify(`file://${appDir}/host.mjs`)})
     let seen = 0
     while (seen < 2) { seen += host.takeLog().length; await new Promise(setImmediate) }
     console.log('waiting')
     process.exit(7)`,
  )
  await child.prints('waiting')
  const since = performance.now()
  const { code, stderr } = await child.ends()
  t.is(code, 7, stderr)
  t.true(child.endedAt - since < PATIENCE)
})

test.serial('a worker thread has calls of its own, in both directions', async (t) => {
  const stdout = await output(
    t,
    `const { Worker } = await import('node:worker_threads')
     const source = \`
       const { Python } = await import(\${JSON.stringify(publicFace)})
       const { parentPort, threadId } = await import('node:worker_threads')
       const python = new Python(\${JSON.stringify(${JSON.stringify({ appDir, python, loop })})})
       const { which_thread, which_thread_now } = await python.import('modes')
       parentPort.postMessage([threadId, await which_thread(), await which_thread_now()])
       await python.close()
     \`
     const { which_thread, which_thread_now } = await python.import('modes')
     for (let round = 0; round < 2; round++) {
       const worker = new Worker(\`import('data:text/javascript,' + encodeURIComponent(\${JSON.stringify(source)}))\`, { eval: true })
       const [own, seen, seenNow] = await new Promise((resolve, reject) => worker.on('message', resolve).on('error', reject))
       await new Promise((resolve) => worker.on('exit', resolve))
       console.log(own > 0, seen === own, seenNow === own, await which_thread(), await which_thread_now())
     }`,
  )
  t.is(stdout, 'true true true 0 0\n'.repeat(2))
})

test.serial('a worker thread that is terminated answers what Python waits for', async (t) => {
  const stdout = await output(
    t,
    `const { Worker } = await import('node:worker_threads')
     const source = \`
       const { Python } = await import(\${JSON.stringify(publicFace)})
       const { parentPort } = await import('node:worker_threads')
       const python = new Python(\${JSON.stringify(${JSON.stringify({ appDir, python, loop })})})
       const modes = await python.import('modes')
       const host = await import(${JSON.stringify(`file://${appDir}/host.mjs`)})
       await modes.block_in_background()
       while (host.takeLog().length === 0) await new Promise(setImmediate)
       parentPort.postMessage('waiting')
       setInterval(() => {}, 1000)
     \`
     const worker = new Worker(\`import('data:text/javascript,' + encodeURIComponent(\${JSON.stringify(source)}))\`, { eval: true })
     await new Promise((resolve, reject) => worker.on('message', resolve).on('error', reject))
     await worker.terminate()
     const { taken } = await python.import('modes')
     let said = []
     while (said.length === 0) said = await taken()
     console.log(said[0])`,
  )
  t.regex(stdout, /^RuntimeError: the worker thread of Node\.js that was called has ended/)
})

test.serial('a forked child has no JavaScript, and says so', async (t) => {
  const stdout = await output(t, `console.log(await (await python.import('modes')).in_a_child())`)
  t.regex(stdout, /^RuntimeError: this process was forked, and Node\.js lives in its parent/)
})

// Plain Python.

async function plain(...args: string[]): Promise<{ stdout: string; stderr: string }> {
  const command = [bin, 'run', '--python', interpreter, ...args]
  return promisify(execFile)(process.execPath, command, { cwd: appDir })
}

test.serial('Ctrl-C ends the wait of a main thread under amphis run', async (t) => {
  const { stdout } = await plain('-c', 'import modes; print(modes.interrupted())')
  t.is(stdout, 'interrupted\n')
})

test.serial('a program that has called JavaScript ends with its own code, threads or not', async (t) => {
  const { stdout, stderr } = await plain('-c', 'import modes; print(modes.which_thread_now())')
  t.is(stdout, '0\n')
  t.is(stderr, '')
  const error = await t.throwsAsync(plain('-c', 'import modes, sys; modes.block_in_background(); sys.exit(3)'))
  t.is((error as unknown as { code: number }).code, 3)
})

test.serial('a program that only imports amphis starts nothing', async (t) => {
  const code = 'import amphis, threading; from amphis import node; print(threading.active_count(), node)'
  const { stdout } = await plain('-c', code)
  t.regex(stdout, /^1 <module 'amphis\.node'/)
})

test.serial('import amphis.node works as well as from amphis import node', async (t) => {
  const { stdout } = await plain(
    '-c',
    'import amphis.node; print(amphis.node.sync.import_module("./host.mjs").add(1, 2))',
  )
  t.is(stdout, '3\n')
})

test.serial('tests call JavaScript under amphis run -m pytest', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'amphis-calls-'))
  t.teardown(async () => rm(folder, { recursive: true, force: true }))
  await writeFile(join(folder, 'greet.mjs'), 'export const greet = (name) => `Hello, ${name}`\n')
  await writeFile(
    join(folder, 'test_greet.py'),
    [
      'import asyncio',
      'from amphis import node',
      'def test_sync():',
      '    assert node.sync.import_module("./greet.mjs").greet("Ada") == "Hello, Ada"',
      'def test_async():',
      '    async def main():',
      '        return await (await node.import_module("./greet.mjs")).greet("Ada")',
      '    assert asyncio.run(main()) == "Hello, Ada"',
      '    assert asyncio.run(main()) == "Hello, Ada"',
    ].join('\n'),
  )
  const command = [bin, 'run', '--python', interpreter, '-m', 'pytest', '-q', '-p', 'no:cacheprovider', folder]
  const { stdout } = await promisify(execFile)(process.execPath, command, { cwd: folder })
  t.regex(stdout, /2 passed/)
})

test.serial('without amphis there is no such module, under the same interpreter', async (t) => {
  const error = await t.throwsAsync(promisify(execFile)(interpreter, ['-c', 'import amphis.node'], { cwd: '/' }))
  t.regex((error as unknown as { stderr: string }).stderr, /ModuleNotFoundError|ImportError/)
})

import { performance } from 'node:perf_hooks'
import test, { type ExecutionContext } from 'ava'
import { PATIENCE } from './helpers/patience.js'
import { type NodeProcess, runNode } from './helpers/node-process.js'

// Node processes side by side on few cores would only measure each other.
const leaves = test.serial

/** Waits for the end of a process and gives it with the time since a moment. */
async function end(child: NodeProcess, since?: number) {
  const exit = await child.ends()
  return { ...exit, took: child.endedAt - (since ?? child.endedAt) }
}

/** What the fixture printed, a line each, without what the test's own script printed. */
const python = (stdout: string) => stdout.split('\n').filter((line) => line && !line.startsWith('js: '))

async function run(t: ExecutionContext, source: string) {
  return end(runNode(t, 'leaving:app', source))
}

leaves('an idle handler does not keep Node alive, and its app is shut down', async (t) => {
  const child = runNode(
    t,
    'leaving:app',
    `const handler = new PythonHandler(options)
     await handler.ready()
     console.log('js: ready')`,
  )
  await child.prints('js: ready')
  const since = performance.now()
  const { code, stdout, took, stderr } = await end(child, since)
  t.is(code, 0, stderr)
  t.deepEqual(python(stdout), ['imported', 'startup', 'shutdown', 'atexit'])
  t.is(stderr, '')
  t.true(took < PATIENCE, `${took} ms`)
})

leaves('a handler that was never used costs nothing and keeps nobody', async (t) => {
  const { code, stdout } = await run(t, `new PythonHandler(options)`)
  t.is(code, 0)
  t.is(stdout, '')
})

leaves('a handler is not kept alive by what it has already done', async (t) => {
  const { code, stdout, stderr } = await run(
    t,
    `const handler = new PythonHandler(options)
     for (let i = 0; i < 5; i++) await (await handler.handle({ url: '/' })).text()
     console.log('js: done')`,
  )
  t.is(code, 0, stderr)
  t.deepEqual(python(stdout), ['imported', 'startup', 'shutdown', 'atexit'])
  t.is(stderr, '')
})

leaves('worker threads of anyio, in which plain def endpoints run, end with the process', async (t) => {
  const { code, stdout, stderr } = await run(
    t,
    `const handler = new PythonHandler(options)
     await (await handler.handle({ url: '/worker' })).text()`,
  )
  t.is(code, 0, stderr)
  // While such a thread is waited for, nothing comes after the shutdown.
  t.deepEqual(python(stdout), ['imported', 'startup', 'worked', 'shutdown', 'atexit'])
})

for (const [kind, printed] of [
  ['task', ['task cleaned up']],
  ['generator', ['generator closed']],
  ['executor', ['works', 'worked']],
] as const) {
  for (const [title, last] of [
    ['the natural end', ''],
    ['process.exit()', 'process.exit(0)'],
    ['close() before', 'await handler.close()'],
  ] as const) {
    leaves(`what an app has left on the loop is ended as by asyncio.run: ${kind}, ${title}`, async (t) => {
      const { code, stdout, stderr, took } = await run(
        t,
        `const handler = new PythonHandler(options)
         await (await handler.handle({ url: '/leaves/${kind}' })).text()
         ${last}`,
      )
      t.is(code, 0, stderr)
      const lines = python(stdout)
      t.deepEqual(lines.toSorted(), ['imported', 'startup', 'shutdown', 'atexit', ...printed].toSorted())
      t.is(lines.at(-1), 'atexit')
      // After the lifespan; a thread has its own time.
      if (kind !== 'executor') t.true(lines.indexOf(printed[0]) > lines.indexOf('shutdown'), stdout)
      t.true(took < PATIENCE)
    })
  }
}

leaves('close() of one handler ends nothing that is left on the loop', async (t) => {
  const { stdout } = await run(
    t,
    `const first = new PythonHandler(options)
     const second = new PythonHandler({ ...options, app: 'probe:app', lifespan: 'off' })
     await (await first.handle({ url: '/leaves/task' })).text()
     await second.ready()
     await first.close()
     await (await second.handle({ url: '/' })).text()
     console.log('js: answered')`,
  )
  t.true(stdout.indexOf('task cleaned up') > stdout.indexOf('js: answered'), stdout)
})

leaves('a task that raises while it is ended is told of', async (t) => {
  const { code, stdout, stderr } = await run(
    t,
    `const handler = new PythonHandler(options)
     await (await handler.handle({ url: '/leaves/raises' })).text()`,
  )
  t.is(code, 0)
  t.true(stdout.includes('atexit'))
  t.regex(stderr, /unhandled exception while the event loop was ended[^]*RuntimeError: while it was ended/)
})

leaves('a task that goes on all the same holds nobody up for ever, and costs no atexit', async (t) => {
  const child = runNode(
    t,
    'leaving:app',
    `const handler = new PythonHandler(options)
     await (await handler.handle({ url: '/leaves/goes%20on' })).text()
     console.log('js: left')`,
  )
  await child.prints('js: left')
  const since = performance.now()
  const { code, stdout, took } = await end(child, since)
  t.is(code, 0)
  t.true(stdout.includes('task cleaned up') && stdout.includes('atexit'), stdout)
  t.true(took < PATIENCE, `${took} ms`)
})

leaves('a request in flight keeps Node alive', async (t) => {
  const { code, stdout } = await run(
    t,
    `const handler = new PythonHandler(options)
     handler.handle({ url: '/slow' }).then(async (response) => console.log('js: ' + await response.text()))`,
  )
  t.is(code, 0)
  t.true(stdout.includes('js: ok'), stdout)
})

leaves('a start that is awaited keeps Node alive', async (t) => {
  const { code, stdout } = await run(t, `new PythonHandler(options).ready().then(() => console.log('js: ready'))`)
  t.is(code, 0)
  t.true(stdout.includes('js: ready'), stdout)
})

leaves('closing that is awaited keeps Node alive', async (t) => {
  const { code, stdout } = await run(
    t,
    `const handler = new PythonHandler(options)
     await handler.ready()
     handler.close().then(() => console.log('js: closed'))`,
  )
  t.is(code, 0)
  t.true(stdout.includes('js: closed'), stdout)
  t.is(python(stdout).filter((line) => line === 'shutdown').length, 1)
})

leaves('after close() the app is not shut down again, and atexit still runs', async (t) => {
  const { code, stdout } = await run(
    t,
    `const handler = new PythonHandler(options)
     await handler.ready()
     await handler.close()
     console.log('js: closed')`,
  )
  t.is(code, 0)
  t.deepEqual(python(stdout), ['imported', 'startup', 'shutdown', 'atexit'])
})

for (const [name, leave, code] of [
  ['process.exit()', 'process.exit(7)', 7],
  ['an uncaught exception', 'throw new Error("uncaught in JavaScript")', 1],
  ['an unhandled rejection', 'Promise.reject(new Error("unhandled in JavaScript")); await new Promise(() => {})', 1],
] as const) {
  leaves(`${name} shuts the app down on the way out`, async (t) => {
    const child = runNode(
      t,
      'leaving:app',
      `const handler = new PythonHandler(options)
       await handler.ready()
       console.log('js: ready')
       setImmediate(async () => { ${leave} })
       setInterval(() => {}, 1000)`,
    )
    await child.prints('js: ready')
    const exit = await end(child, performance.now())
    t.is(exit.code, code)
    t.deepEqual(python(exit.stdout), ['imported', 'startup', 'shutdown', 'atexit'])
    t.true(exit.took < PATIENCE, `${exit.took} ms`)
  })
}

leaves('a request in flight does not keep process.exit() from leaving', async (t) => {
  const child = runNode(
    t,
    'leaving:app',
    `const handler = new PythonHandler(options)
     await handler.ready()
     handler.handle({ url: '/waits' }).catch(() => {})
     process.stdin.once('data', () => process.exit(0))`,
  )
  await child.prints('waiting')
  const since = performance.now()
  child.child.stdin.write('leave\n')
  const { code, stdout, took } = await end(child, since)
  t.is(code, 0)
  t.true(python(stdout).includes('shutdown'), stdout)
  t.true(took < PATIENCE, `${took} ms`)
})

for (const [kind, path, says] of [
  ['computes without end', '/busy', 'busy'],
  ['blocks its loop', '/blocked', 'blocked'],
] as const) {
  leaves(`an app that ${kind} delays process.exit() by two seconds at most`, async (t) => {
    const child = runNode(
      t,
      'leaving:app',
      `const handler = new PythonHandler(options)
       await handler.ready()
       handler.handle({ url: '${path}' }).catch(() => {})
       process.stdin.once('data', () => process.exit(5))`,
    )
    await child.prints(says)
    const since = performance.now()
    child.child.stdin.write('leave\n')
    const { code, signal, took, stderr } = await end(child, since)
    t.is(signal, null, stderr)
    t.is(code, 5, stderr)
    t.true(took < PATIENCE, `${took} ms`)
  })
}

leaves('a shutdown that takes too long is left behind', async (t) => {
  const child = runNode(
    t,
    'leaving:slow_shutdown',
    `const handler = new PythonHandler(options)
     await handler.ready()
     console.log('js: ready')`,
  )
  await child.prints('js: ready')
  const { code, stdout, took } = await end(child, performance.now())
  t.is(code, 0)
  t.true(stdout.includes('shutdown begins'), stdout)
  t.true(took < PATIENCE, `${took} ms`)
})

leaves('a daemon thread of Python does not keep the process', async (t) => {
  const { code } = await run(
    t,
    `const handler = new PythonHandler(options)
     await (await handler.handle({ url: '/thread' })).text()`,
  )
  t.is(code, 0)
})

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  leaves(`${signal} ends a process that does not listen for it`, async (t) => {
    const child = runNode(
      t,
      'leaving:app',
      `const handler = new PythonHandler(options)
       await handler.ready()
       setInterval(() => {}, 1000)
       console.log('js: ready')`,
    )
    await child.prints('js: ready')
    child.child.kill(signal)
    const exit = await child.ends()
    t.is(exit.signal, signal)
  })

  leaves(`${signal} reaches the listener of a process that has one`, async (t) => {
    const child = runNode(
      t,
      'leaving:app',
      `const handler = new PythonHandler(options)
       await handler.ready()
       process.once('${signal}', async () => { await handler.close(); console.log('js: closed'); process.exit(3) })
       setInterval(() => {}, 1000)
       console.log('js: ready')`,
    )
    await child.prints('js: ready')
    child.child.kill(signal)
    const exit = await child.ends()
    t.is(exit.code, 3)
    t.true(exit.stdout.includes('js: closed'), exit.stdout)
    t.true(python(exit.stdout).includes('shutdown'), exit.stdout)
  })
}

leaves('a server with a handler ends when it is closed, without exit', async (t) => {
  const child = runNode(
    t,
    'leaving:app',
    `import { createServer } from 'node:http'
     const handler = new PythonHandler(options)
     const server = createServer(handler.listener).listen(0, '127.0.0.1', async () => {
       const response = await fetch('http://127.0.0.1:' + server.address().port)
       console.log('js: ' + await response.text())
       server.close()
       server.closeAllConnections()
     })`,
  )
  const { code, stdout } = await end(child)
  t.is(code, 0)
  t.true(stdout.includes('js: ok'), stdout)
  t.true(python(stdout).includes('shutdown'), stdout)
})

leaves('a failed start does not keep the process either', async (t) => {
  const { code, stdout } = await end(
    runNode(
      t,
      'raises_on_import:app',
      `await new PythonHandler(options).ready().catch((error) => console.log('js: ' + error.code))`,
    ),
  )
  t.is(code, 0)
  t.is(stdout.trim(), 'js: AMPHIS_ERR_APP_IMPORT')
})

/** A worker's source: load, serve, leave in one of three ways. */
const worker = `
  const { parentPort, workerData } = await import('node:worker_threads')
  const { PythonHandler } = await import(workerData.publicFace)
  const handler = new PythonHandler(workerData.options)
  const text = await (await handler.handle({ url: '/' })).text()
  parentPort.postMessage(text)
  if (workerData.way === 'close') await handler.close()
  if (workerData.way === 'exit') process.exit(0)
  if (workerData.way === 'terminate') setInterval(() => {}, 1000)
`

leaves('workers load, serve and leave, twenty times over', async (t) => {
  const child = runNode(
    t,
    'main:app',
    `import { Worker } from 'node:worker_threads'
     import { once } from 'node:events'
     const source = new URL('data:text/javascript,' + encodeURIComponent(${JSON.stringify(worker)}))
     for (let round = 0; round < 20; round++) {
       const way = ['close', 'exit', 'terminate', 'natural'][round % 4]
       const worker = new Worker(source, { workerData: { publicFace, options, way } })
       worker.on('error', (error) => { console.log('js: ' + error.stack); process.exit(1) })
       const exited = once(worker, 'exit')
       const [text] = await once(worker, 'message')
       if (way === 'terminate') await worker.terminate()
       await exited
       console.log('js: ' + round + ' ' + way + ' ' + text)
     }
     const handler = new PythonHandler(options)
     console.log('js: main ' + await (await handler.handle({ url: '/' })).text())`,
  )
  const { code, signal, stdout, stderr } = await child.ends()
  t.is(signal, null, stdout + stderr)
  t.is(code, 0, stdout + stderr)
  t.is(stdout.match(/Hello, world!/g)?.length, 21, stdout + stderr)
})

leaves('process.exit() in a worker waits for a busy Python once', async (t) => {
  const busy = `
    const { parentPort, workerData } = await import('node:worker_threads')
    const { PythonHandler } = await import(workerData.publicFace)
    const handler = new PythonHandler(workerData.options)
    await handler.ready()
    handler.handle({ url: '/busy' }).catch(() => {})
    parentPort.once('message', () => process.exit(0))
  `
  const child = runNode(
    t,
    { app: 'leaving:app', lifespan: 'off' },
    `import { Worker } from 'node:worker_threads'
     const source = new URL('data:text/javascript,' + encodeURIComponent(${JSON.stringify(busy)}))
     const worker = new Worker(source, { workerData: { publicFace, options } })
     process.stdin.once('data', () => {
       const since = performance.now()
       worker.once('exit', () => {
         console.log('js: gone after ' + Math.round(performance.now() - since))
         process.exit(0)
       })
       worker.postMessage('leave')
     })`,
  )
  await child.prints('busy')
  child.child.stdin.write('leave\n')
  const { code, signal, stdout, stderr } = await child.ends()
  t.is(signal, null, stderr)
  t.is(code, 0, stderr)
  const took = Number(/gone after (\d+)/.exec(stdout)?.[1])
  t.true(took < PATIENCE, `${took} ms`)
})

for (const [who, prepare] of [
  ['beside one of the main thread', 'await new PythonHandler(options).ready()'],
  ['with none in the main thread', ''],
] as const) {
  leaves(`process.exit() of the main thread shuts down the app of a worker, ${who}`, async (t) => {
    const serving = `
      const { parentPort, workerData } = await import('node:worker_threads')
      const { PythonHandler } = await import(workerData.publicFace)
      await new PythonHandler(workerData.options).ready()
      parentPort.postMessage('ready')
      setInterval(() => {}, 1000)
    `
    const child = runNode(
      t,
      'leaving:app',
      `import { Worker } from 'node:worker_threads'
       import { once } from 'node:events'
       const source = new URL('data:text/javascript,' + encodeURIComponent(${JSON.stringify(serving)}))
       ${prepare}
       const worker = new Worker(source, { workerData: { publicFace, options } })
       await once(worker, 'message')
       console.log('js: ready')
       process.exit(7)`,
    )
    await child.prints('js: ready')
    const { code, stdout, stderr, took } = await end(child, performance.now())
    t.is(code, 7, stderr)
    const handlers = prepare ? 2 : 1
    t.is(python(stdout).filter((line) => line === 'startup').length, handlers, stdout)
    t.is(python(stdout).filter((line) => line === 'shutdown').length, handlers, stdout)
    t.true(took < PATIENCE, `${took} ms`)
  })
}

leaves('the main thread and workers are served at the same time', async (t) => {
  const child = runNode(
    t,
    'main:app',
    `import { Worker } from 'node:worker_threads'
     import { once } from 'node:events'
     const source = new URL('data:text/javascript,' + encodeURIComponent(${JSON.stringify(worker)}))
     const handler = new PythonHandler(options)
     await handler.ready()
     const workers = Array.from({ length: 3 }, () => new Worker(source, { workerData: { publicFace, options, way: 'exit' } }))
     const exits = workers.map((worker) => once(worker, 'exit'))
     const answers = await Promise.all([
       ...workers.map(async (worker) => (await once(worker, 'message'))[0]),
       ...Array.from({ length: 50 }, async () => (await handler.handle({ url: '/' })).text()),
     ])
     await Promise.all(exits)
     // The workers are gone: what they shared must still stand.
     answers.push(await (await handler.handle({ url: '/' })).text())
     console.log('js: ' + answers.filter((text) => text === 'Hello, world!').length)`,
  )
  const { code, stdout, stderr } = await child.ends()
  t.is(code, 0, stderr)
  t.is(stdout.trim(), 'js: 54')
})

leaves('a worker that is terminated in the middle of a request harms nobody', async (t) => {
  const waiting = `
    const { parentPort, workerData } = await import('node:worker_threads')
    const { PythonHandler } = await import(workerData.publicFace)
    const handler = new PythonHandler(workerData.options)
    await handler.ready()
    handler.handle({ url: '/waits' }).catch(() => {})
    for (let i = 0; i < 10; i++) handler.handle({ url: '/slow' }).catch(() => {})
    parentPort.postMessage('under way')
  `
  const child = runNode(
    t,
    { app: 'leaving:app', lifespan: 'off' },
    `import { Worker } from 'node:worker_threads'
     import { once } from 'node:events'
     const source = new URL('data:text/javascript,' + encodeURIComponent(${JSON.stringify(waiting)}))
     const handler = new PythonHandler(options)
     await handler.ready()
     for (let round = 0; round < 3; round++) {
       const worker = new Worker(source, { workerData: { publicFace, options } })
       await once(worker, 'message')
       await worker.terminate()
     }
     console.log('js: ' + await (await handler.handle({ url: '/' })).text())
     process.exit(0)`,
  )
  const { code, stdout, stderr } = await child.ends()
  t.is(code, 0, stderr)
  t.true(stdout.includes('js: ok'), stdout)
})

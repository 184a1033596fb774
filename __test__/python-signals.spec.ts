import test, { type ExecutionContext } from 'ava'
import { request } from './helpers/client.js'
import { amphisIn, announced, suite } from './helpers/command-line.js'
import { serveInProcess } from './helpers/served-process.js'

// A signal that Python code takes by `signal.signal`, in a process whose signals are Node's: both are told.

/** A server whose Node listens to signals when it is told to by a request. */
async function serve(t: ExecutionContext) {
  const source = `
    import { spawn } from 'node:child_process'
    const heard = []
    const listeners = {}
    const server = http.createServer((req, res) => {
      const [, verb, name] = req.url.split('/')
      if (verb === 'python') return handler.listener(req, res)
      if (verb === 'on') process.on(name, (listeners[name] = () => heard.push(name)))
      if (verb === 'off') process.off(name, listeners[name])
      if (verb === 'spawn') return spawn('sh', ['-c', 'exit 9']).on('exit', (code) => res.end(JSON.stringify(code)))
      res.end(JSON.stringify(verb === 'heard' ? heard.splice(0) : null))
    })`
  const served = await serveInProcess(t, { app: 'executes:app' }, source)
  const { process: server, url } = served
  return {
    server,
    ask: async (path: string) => (await request(`${url}/${path}`)).json(),
    python: async (code: string) => {
      const answer = await request(`${url}/python`, { method: 'POST', body: code })
      if (answer.status !== 200) throw new Error(answer.text)
      return answer.json()
    },
    /** Sends a signal, and waits until Python has had a turn to see it. */
    async send(name: NodeJS.Signals) {
      server.child.kill(name)
      // The signal is in the process when `kill` returns; these are turns of both loops.
      for (let turn = 0; turn < 3; turn++) {
        await request(`${url}/nothing`)
        await request(`${url}/python`, { method: 'POST', body: 'pass' })
      }
    },
  }
}

type Served = Awaited<ReturnType<typeof serve>>

/** Python's handler, which notes its signals in `told`. */
const taking = (name: string) => `
def handler(number, frame):
    told.append(signal.Signals(number).name)
previous = signal.signal(signal.${name}, handler)
result = signal.getsignal(signal.${name}) is handler`

const TOLD = 'result = list(told); told.clear()'

/** Who was told since this was asked last. */
async function told({ ask, python }: Served) {
  return { node: await ask('heard'), python: await python(TOLD) }
}

async function endsBy(t: ExecutionContext, served: Served, signal: NodeJS.Signals) {
  served.server.child.kill(signal)
  const ended = await served.server.ends()
  t.is(ended.signal, signal, ended.stderr)
}

// A host that does not listen

test.serial('where Node does not listen, a handler of Python’s replaces the default action', async (t) => {
  const served = await serve(t)
  t.deepEqual(await served.python('result = [signal.getsignal(s) == signal.SIG_DFL for s in (15, 2, 1, 10)]'), [
    true,
    true,
    true,
    true,
  ])
  for (const name of ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGUSR1'] as const) {
    t.true(await served.python(taking(name)))
    await served.send(name)
    t.deepEqual(await told(served), { node: [], python: [name] })
  }
  t.true(await served.python('signal.signal(15, signal.SIG_DFL); result = signal.getsignal(15) == signal.SIG_DFL'))
  await endsBy(t, served, 'SIGTERM')
})

test.serial('where Node does not listen, Python may ignore a signal, and stop to', async (t) => {
  const served = await serve(t)
  await served.python('signal.signal(signal.SIGTERM, signal.SIG_IGN)')
  await served.send('SIGTERM')
  const child = `import subprocess; result = subprocess.run(["grep", "SigIgn", "/proc/self/status"], capture_output=True).stdout.decode()`
  const ignored = BigInt(`0x${((await served.python(child)) as string).split('\t')[1]!.trim()}`)
  t.is((ignored >> 14n) & 1n, 1n, 'a child inherits it')
  await served.python('signal.signal(signal.SIGTERM, signal.SIG_DFL)')
  await endsBy(t, served, 'SIGTERM')
})

test.serial('what signal.signal gives back restores what was there', async (t) => {
  const served = await serve(t)
  await served.python(taking('SIGTERM'))
  await served.python('signal.signal(signal.SIGTERM, previous)')
  await endsBy(t, served, 'SIGTERM')
})

// A host that listens

for (const first of ['Node', 'Python'] as const) {
  test.serial(`both are told, with ${first} first`, async (t) => {
    const served = await serve(t)
    const steps = [() => served.ask('on/SIGTERM'), () => served.python(taking('SIGTERM'))]
    for (const step of first === 'Node' ? steps : steps.toReversed()) await step()
    for (let time = 0; time < 3; time++) {
      await served.send('SIGTERM')
      t.deepEqual(await told(served), { node: ['SIGTERM'], python: ['SIGTERM'] })
    }
    await served.ask('off/SIGTERM')
    await served.send('SIGTERM')
    t.deepEqual(await told(served), { node: [], python: ['SIGTERM'] })
    await served.ask('on/SIGTERM')
    await served.send('SIGTERM')
    t.deepEqual(await told(served), { node: ['SIGTERM'], python: ['SIGTERM'] })
  })
}

test.serial('a handler that calls the one before it has Node told once', async (t) => {
  const served = await serve(t)
  await served.ask('on/SIGTERM')
  t.true(
    await served.python(`
before = signal.getsignal(signal.SIGTERM)
def chained(number, frame):
    told.append("chained")
    before(number, frame)
signal.signal(signal.SIGTERM, chained)
result = callable(before) and signal.getsignal(signal.SIGTERM) is chained`),
  )
  for (let time = 0; time < 2; time++) {
    await served.send('SIGTERM')
    t.deepEqual(await told(served), { node: ['SIGTERM'], python: ['chained'] })
  }
  // Called without a signal it tells Node of one.
  await served.python('before(signal.SIGTERM, None)')
  await served.send('SIGCONT')
  t.deepEqual(await told(served), { node: ['SIGTERM'], python: [] })
})

test.serial('a handler that was saved while Node listened is asked what Node wants now', async (t) => {
  const served = await serve(t)
  await served.ask('on/SIGTERM')
  await served.python(taking('SIGTERM'))
  await served.ask('off/SIGTERM')
  await served.python('signal.signal(signal.SIGTERM, previous)')
  t.true(await served.python('result = signal.getsignal(signal.SIGTERM) == signal.SIG_DFL'))
  await endsBy(t, served, 'SIGTERM')
})

test.serial('one that is called when Node no longer listens does the default action', async (t) => {
  const served = await serve(t)
  await served.ask('on/SIGTERM')
  await served.python(`
before = signal.getsignal(signal.SIGTERM)
signal.signal(signal.SIGTERM, lambda number, frame: before(number, frame))`)
  await served.send('SIGTERM')
  t.deepEqual(await served.ask('heard'), ['SIGTERM'])
  await served.ask('off/SIGTERM')
  await endsBy(t, served, 'SIGTERM')
})

for (const way of ['SIG_IGN', 'SIG_DFL'] as const) {
  test.serial(`Node hears a signal that Python has set to ${way}`, async (t) => {
    const served = await serve(t)
    await served.ask('on/SIGTERM')
    t.true(
      await served.python(
        `signal.signal(signal.SIGTERM, signal.${way}); result = signal.getsignal(signal.SIGTERM) == signal.${way}`,
      ),
    )
    await served.send('SIGTERM')
    t.deepEqual(await told(served), { node: ['SIGTERM'], python: [] })
    await served.python(taking('SIGTERM'))
    await served.send('SIGTERM')
    t.deepEqual(await told(served), { node: ['SIGTERM'], python: ['SIGTERM'] })
  })
}

test.serial(
  'a library that installs a handler and restores the one before, over and over, takes nothing',
  async (t) => {
    const served = await serve(t)
    await served.ask('on/SIGALRM')
    await served.python(`
for _ in range(200):
    before = signal.signal(signal.SIGALRM, lambda number, frame: told.append("within"))
    signal.raise_signal(signal.SIGALRM)
    signal.signal(signal.SIGALRM, before)
result = None`)
    const { python } = await told(served)
    t.deepEqual(
      python,
      Array.from({ length: 200 }, () => 'within'),
    )
    await served.ask('heard')
    await served.send('SIGALRM')
    t.deepEqual(await told(served), { node: ['SIGALRM'], python: [] })
  },
)

test.serial('add_signal_handler of the event loop, and its end', async (t) => {
  const served = await serve(t)
  await served.ask('on/SIGUSR2')
  await served.python('asyncio.get_running_loop().add_signal_handler(signal.SIGUSR2, told.append, "looped")')
  await served.send('SIGUSR2')
  t.deepEqual(await told(served), { node: ['SIGUSR2'], python: ['looped'] })
  t.true(await served.python('result = asyncio.get_running_loop().remove_signal_handler(signal.SIGUSR2)'))
  await served.send('SIGUSR2')
  t.deepEqual(await told(served), { node: ['SIGUSR2'], python: [] })
  await served.ask('off/SIGUSR2')
  await endsBy(t, served, 'SIGUSR2')
})

test.serial('siginterrupt and a raised signal leave both told', async (t) => {
  const served = await serve(t)
  await served.python(`${taking('SIGUSR2')}\nsignal.siginterrupt(signal.SIGUSR2, False)`)
  await served.ask('on/SIGUSR2')
  await served.python('signal.siginterrupt(signal.SIGUSR2, True)')
  t.deepEqual(await served.python('signal.raise_signal(signal.SIGUSR2); result = list(told); told.clear()'), [
    'SIGUSR2',
  ])
  t.deepEqual(await served.ask('heard'), ['SIGUSR2'])
})

test.serial('set_wakeup_fd is written to, with a handler beside Node’s', async (t) => {
  const served = await serve(t)
  await served.ask('on/SIGUSR2')
  await served
    .python(
      `
import socket
ours, theirs = socket.socketpair()
ours.setblocking(False); theirs.setblocking(False)
before = signal.set_wakeup_fd(theirs.fileno())
${taking('SIGUSR2')}
signal.raise_signal(signal.SIGUSR2)
signal.set_wakeup_fd(before)
result = list(ours.recv(10))`,
    )
    .then((bytes) => t.deepEqual(bytes, [12]))
  t.deepEqual(await told(served), { node: ['SIGUSR2'], python: ['SIGUSR2'] })
})

test.serial('a handler of SIGCHLD does not keep Node from its children’s ends', async (t) => {
  const served = await serve(t)
  await served.python(taking('SIGCHLD'))
  t.is(await served.ask('spawn'), 9)
  t.is(await served.ask('spawn'), 9)
  await served.send('SIGCONT')
  t.true(((await served.python(TOLD)) as string[]).includes('SIGCHLD'))
  await served.python('signal.signal(signal.SIGCHLD, signal.SIG_DFL)')
  t.is(await served.ask('spawn'), 9)
})

test.serial('a handler interrupts what blocks Python’s main thread', async (t) => {
  const served = await serve(t)
  const slept = served.python(`
import time
def interrupt(number, frame): raise TimeoutError
signal.signal(signal.SIGUSR2, interrupt)
try:
    print("asleep", flush=True)
    time.sleep(60)
except TimeoutError:
    result = "interrupted"`)
  await served.server.prints('asleep')
  served.server.child.kill('SIGUSR2')
  t.is(await slept, 'interrupted')
})

test.serial('_thread.interrupt_main() has Node told of SIGINT', async (t) => {
  const served = await serve(t)
  await served.ask('on/SIGINT')
  await served.python('import _thread; _thread.interrupt_main()')
  await served.send('SIGCONT')
  t.deepEqual(await told(served), { node: ['SIGINT'], python: [] })
})

test.serial('what cannot be a handler, and what cannot be handled, raise as in Python', async (t) => {
  const { python } = await serve(t)
  t.deepEqual(
    await python(`
result = []
for arguments in ((15, None), (15, "x"), (0, handler := print), (99, print), (9, print), (15,), ()):
    try: signal.signal(*arguments)
    except BaseException as exc: result.append(type(exc).__name__)
    else: result.append(None)
import threading
def elsewhere():
    try: signal.signal(15, print)
    except ValueError: result.append("ValueError")
thread = threading.Thread(target=elsewhere); thread.start(); thread.join()
result.append(signal.getsignal(15) == signal.SIG_DFL)`),
    ['TypeError', 'TypeError', 'ValueError', 'ValueError', 'OSError', 'TypeError', 'TypeError', 'ValueError', true],
  )
})

// Our own command line always stops

async function serveByCommand(t: ExecutionContext, takes: string, ...args: string[]) {
  const command = amphisIn(
    { TAKES: takes },
    t,
    'takes_signals:app',
    '--port',
    '0',
    ...suite,
    '--lifespan',
    'on',
    ...args,
  )
  return announced(command, 'takes_signals:app')
}

for (const [title, args] of [
  ['one process', []],
  ['workers', ['--workers', '1']],
  ['--reload', ['--reload']],
] as const) {
  for (const takes of ['handler', 'ignore', 'default'] as const) {
    for (const name of ['SIGTERM', 'SIGINT'] as const) {
      test.serial(`${title}: ${name} stops in good order where Python has set it: ${takes}`, async (t) => {
        const { process: server, url } = await serveByCommand(t, takes, ...args)
        t.is((await request(url)).status, 200)
        server.child.kill(name)
        const { code, stdout, stderr } = await server.ends()
        t.is(code, 0, stderr)
        t.true(stdout.includes('shut down'), stdout)
        if (takes === 'handler' && title === 'one process') t.true(stdout.includes(`told ${name}`), stdout)
      })
    }
  }
}

test.serial('_thread.interrupt_main() stops the command line', async (t) => {
  const { process: server, url } = await serveByCommand(t, 'default')
  await request(`${url}/interrupt`).catch(() => {})
  const { code, stdout, stderr } = await server.ends()
  t.is(code, 0, stderr)
  t.true(stdout.includes('shut down'), stdout)
  t.false(stderr.includes('OSError'), stderr)
})

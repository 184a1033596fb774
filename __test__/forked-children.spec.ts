import test, { type ExecutionContext } from 'ava'
import { request } from './helpers/client.js'
import { serveByCommand } from './helpers/command-line.js'
import { serveInProcess } from './helpers/served-process.js'

// What Python forks without running another program begins with everything that Node has set up for signals, libuv's
// handlers and the pipe that they write to included: a signal to the child was taken for one to the server.

/** The signals that servers listen to, and one that they do not. */
const NUMBERS = { SIGTERM: 15, SIGINT: 2, SIGHUP: 1, SIGUSR2: 12 } as const

/** A server whose Node says which signals it hears. */
const listening = `
  const heard = []
  for (const name of ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGUSR2', 'SIGWINCH'])
    process.on(name, () => { heard.push(name); console.log('heard ' + heard.length + ' ' + name + ';') })
  const server = http.createServer((req, res) => {
    if (req.url === '/heard') res.end(JSON.stringify(heard))
    else if (req.url === '/spawn') spawn('sh', ['-c', 'exit 9']).on('exit', (code) => res.end(JSON.stringify(code)))
    else handler.listener(req, res)
  })`

async function serve(t: ExecutionContext) {
  return serveInProcess(t, { app: 'forked:app' }, `import { spawn } from 'node:child_process'\n${listening}`)
}

const answer = async (url: string) => (await request(url)).json()

for (const [name, number] of Object.entries(NUMBERS)) {
  test.serial(`${name} to a forked child ends the child, and Node does not hear of it`, async (t) => {
    const { url } = await serve(t)
    for (const way of ['multiprocessing', 'fork', 'forkpty', 'executor/multiprocessing', 'executor/fork']) {
      t.is(await answer(`${url}/${way}/${name}`), -number, way)
    }
    t.deepEqual(await answer(`${url}/heard`), [])
  })
}

test.serial('a signal that comes before the child has become another program ends the child', async (t) => {
  const { url } = await serve(t)
  t.is(await answer(`${url}/preexec/SIGTERM`), -15)
  t.deepEqual(await answer(`${url}/heard`), [])
})

test.serial('a forked child has no handler of Node’s, and no signal is blocked', async (t) => {
  const { url } = await serve(t)
  const { SigBlk, SigCgt } = (await answer(`${url}/dispositions`)) as { SigBlk: string; SigCgt: string }
  t.is(BigInt(`0x${SigBlk}`), 0n)
  const caught = (number: number) => (BigInt(`0x${SigCgt}`) >> BigInt(number - 1)) & 1n
  // SIGUSR1 is Node's for its inspector, SIGCHLD libuv's once Node has had a child of its own.
  await answer(`${url}/spawn`)
  for (const number of [1, 2, 10, 12, 15, 17, 28]) t.is(caught(number), 0n, `signal ${number}`)
})

test.serial('each signal to the whole group is heard once, also while Python forks', async (t) => {
  const { url, process: server } = await serve(t)
  // So that a signal to the group does not meet the tests.
  await answer(`${url}/lead`)
  const forks = { over: false }
  const codes = answer(`${url}/many/400`).finally(() => (forks.over = true))
  let sent = 0
  while (!forks.over && sent < 200) {
    sent++
    process.kill(-server.child.pid!, 'SIGWINCH')
    await server.prints(`heard ${sent} SIGWINCH;`)
  }
  // SIGWINCH does a child no harm.
  t.deepEqual(await codes, [7])
  t.is(((await answer(`${url}/heard`)) as string[]).length, sent)
})

test.serial('children of Node’s own are seen to exit before, between and after', async (t) => {
  const { url } = await serve(t)
  t.is(await answer(`${url}/spawn`), 9)
  t.is(await answer(`${url}/fork/SIGTERM`), -15)
  t.is(await answer(`${url}/spawn`), 9)
  const both = await Promise.all([
    answer(`${url}/many/50`),
    ...Array.from({ length: 10 }, () => answer(`${url}/spawn`)),
  ])
  t.deepEqual(both, [[7], ...Array.from({ length: 10 }, () => 9)])
})

for (const [title, args] of [
  ['the command line', []],
  ['a worker', ['--workers', '1']],
  ['--reload', ['--reload']],
] as const) {
  test.serial(`a signal to a forked child ends the child alone: ${title}`, async (t) => {
    const { url, process: server } = await serveByCommand(t, 'forked:app', ...args)
    t.is(await answer(`${url}/multiprocessing/SIGTERM`), -15)
    t.is(await answer(`${url}/executor/fork/SIGINT`), -2)
    t.is(await answer(`${url}/`), 'here')
    server.child.kill('SIGTERM')
    t.is((await server.ends()).code, 0)
  })
}

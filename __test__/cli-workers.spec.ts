import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { connect as connectHttp2 } from 'node:http2'
import { createServer } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import test, { type ExecutionContext } from 'ava'
import { createCertificate } from './helpers/certificate.js'
import { request } from './helpers/client.js'
import { amphisEnds, serveByCommand, type Served, suite } from './helpers/command-line.js'
import { Load } from './helpers/load.js'
import { RawConnection } from './helpers/raw-connection.js'
import { pids } from './helpers/worker-pids.js'

function serveInWorkers(t: ExecutionContext, ...args: string[]): Promise<Served> {
  return serveByCommand(t, 'production:app', '--workers', '2', ...args)
}

async function folder(t: ExecutionContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'amphis-'))
  t.teardown(() => rm(path, { recursive: true }))
  return path
}

/** Waits until connections are refused; one that came before may still be answered with a 503. */
async function refusal(url: string): Promise<void> {
  for (;;) {
    const outcome = await request(`${url}/pid`).catch((error: NodeJS.ErrnoException) => error)
    if ('code' in outcome && outcome.code === 'ECONNREFUSED') return
  }
}

test('serves on one port from several processes, and ends with exit code 0', async (t) => {
  const { process, url, port } = await serveInWorkers(t, '--timeout-graceful-shutdown', '0.5')
  const workers = await pids(url, 2)
  t.false(workers.includes(String(process.child.pid)))
  // The app's children get neither the socket nor the channel to the parent.
  t.is((await request(`${url}/inheritable/3`)).text, 'False')
  t.is((await request(`${url}/inheritable/4`)).text, 'False')
  t.is((await request(`${url}/environ/NODE_CHANNEL_FD`)).text, 'None')

  const waiting = await RawConnection.open(t, port)
  waiting.write('GET /wait HTTP/1.1\r\nhost: a\r\n\r\n')
  await process.prints('waiting')
  const silent = await RawConnection.open(t, port)
  process.child.kill('SIGTERM')
  await process.prints('Stopping')
  await refusal(url)
  silent.leave()
  const { code, stdout, stderr } = await process.ends()
  t.is(code, 0)
  t.is(stderr, '')
  t.regex(stdout, / serves production:app at http:\/\/127\.0\.0\.1:\d+ · Python .* · 2 workers · ready in \d+ ms\n/)
  for (const worker of workers) t.true(stdout.includes(`shutdown of ${worker}\n`))
})

test('a second signal ends all at once', async (t) => {
  const { process, port } = await serveInWorkers(t)
  const waiting = await RawConnection.open(t, port)
  waiting.write('GET /wait HTTP/1.1\r\nhost: a\r\n\r\n')
  await process.prints('waiting')
  process.child.kill('SIGTERM')
  await process.prints('Stopping')
  process.child.kill('SIGINT')
  // The end of its output is the end of its workers, which write to the same pipe.
  t.is((await process.ends()).signal, 'SIGINT')
})

test('workers end by themselves when their parent is killed', async (t) => {
  const { process, url } = await serveInWorkers(t)
  const workers = await pids(url, 2)
  process.child.kill('SIGKILL')
  const { stdout } = await process.ends()
  for (const worker of workers) t.true(stdout.includes(`shutdown of ${worker}\n`))
})

test('a worker that is killed under load is replaced, while the others go on', async (t) => {
  const { process, url } = await serveInWorkers(t)
  const [victim = '', other = ''] = await pids(url, 2)
  const load = new Load(t, `${url}/pid`)
  await load.goesOn()
  globalThis.process.kill(Number(victim), 'SIGKILL')
  await process.prints(`Worker`)
  await load.until(() => load.answers.size === 3)
  await load.goesOn()
  await load.stop()
  // Only what was on its way to the one that was killed is lost: one request of each client at most.
  t.true(load.failures.length <= 8, load.failures.join('\n'))
  t.deepEqual([...load.answers.keys()].slice(0, 2).toSorted(), [victim, other].toSorted())
  process.child.kill('SIGTERM')
  const { stderr } = await process.ends()
  t.regex(
    stderr,
    new RegExp(
      `^\\S+ \\S+ warning: Worker [12] \\(process ${victim}\\) was killed by SIGKILL\\. A new one starts now\\.\n$`,
    ),
  )
})

test('SIGHUP replaces all workers under load, and no request is lost', async (t) => {
  const { process, url } = await serveInWorkers(t)
  const old = await pids(url, 2)
  const load = new Load(t, `${url}/pid`)
  await load.goesOn()
  process.child.kill('SIGHUP')
  await process.prints('Reloaded.')
  await load.goesOn()
  await load.stop()
  t.deepEqual(load.failures, [])
  const young = [...load.answers.keys()].filter((pid) => !old.includes(pid))
  t.is(young.length, 2)
  t.deepEqual((await pids(url, 2)).toSorted(), young.toSorted())
})

test('--limit-max-requests replaces each worker before it ends, and no request is lost', async (t) => {
  const { process, url } = await serveInWorkers(t, '--limit-max-requests', '150')
  const load = new Load(t, `${url}/pid`)
  // Each of the two is replaced at least once, and one of the new ones as well.
  await load.until(() => load.answers.size >= 5)
  await load.stop()
  t.deepEqual(load.failures, [])
  // Whoever has ended has answered at least as many as it was to.
  const ended = (await process.printsLine(/shutdown of \d+/)).slice('shutdown of '.length)
  t.true((load.answers.get(ended) ?? 0) >= 150, String(load.answers.get(ended)))
  process.child.kill('SIGTERM')
  t.is((await process.ends()).code, 0)
})

test('code that does not start leaves the workers that serve alone, and is tried again less and less often', async (t) => {
  const broken = join(await folder(t), 'broken')
  const { process, url } = await serveInWorkers(t, '--env-file', await environment(t, { BREAKS_IF: broken }))
  const old = await pids(url, 2)
  await writeFile(broken, '')
  process.child.kill('SIGHUP')
  await process.prints('The workers that serve stay.')
  t.deepEqual((await pids(url, 2)).toSorted(), old.toSorted())

  // The one of them that ends now cannot be replaced.
  const [victim = '', other = ''] = old
  globalThis.process.kill(Number(victim), 'SIGKILL')
  await process.prints('A new one starts now.')
  await process.prints('The next try is in 1 s.')
  t.is((await request(`${url}/pid`)).text, other)
  await rm(broken)
  t.is((await pids(url, 2)).length, 2)
  process.child.kill('SIGTERM')
  const { code, stderr } = await process.ends()
  t.is(code, 0)
  t.regex(stderr, /RuntimeError: it is broken\n(?:.*\n)*?.* warning: A new worker 1 \(process \d+\) did not start: /)
})

/** A file of environment variables. */
async function environment(t: ExecutionContext, variables: Record<string, string>): Promise<string> {
  const path = join(await folder(t), '.env')
  await writeFile(
    path,
    Object.entries(variables)
      .map(([name, value]) => `${name}=${value}\n`)
      .join(''),
  )
  return path
}

test('an app that cannot be imported ends all with one error', async (t) => {
  // Nothing is to wait for what could take so long.
  const patient = ['--timeout-graceful-shutdown', '1000']
  const args = ['--workers', '3', '--port', '0', ...patient]
  const { code, stdout, stderr } = await amphisEnds(t, 'raises_on_import:app', ...suite, ...args)
  t.is(code, 1)
  t.is(stdout, '')
  t.is(stderr.match(/^Traceback/gm)?.length, 1)
  t.is(stderr.match(/^error: /gm)?.length, 1)
  t.notRegex(stderr, /warning|next try/)
})

test('what is mistyped, or a port in use, is told once as well', async (t) => {
  const mistyped = await amphisEnds(t, 'main.py', ...suite, '--workers', '2', '--port', '0')
  t.is(mistyped.code, 2)
  t.regex(mistyped.stderr, /^error: .*main\.py.*\n$/)
  const server = createServer().listen(0, '127.0.0.1')
  t.teardown(() => server.close())
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const used = await amphisEnds(t, 'production:app', ...suite, '--workers', '2', '--port', String(port))
  t.is(used.code, 1)
  t.is(used.stdout, '')
  t.regex(used.stderr, new RegExp(`^error: Port ${port} of 127\\.0\\.0\\.1 is in use.*\n$`))
})

test('a worker whose event loop is blocked is killed and replaced, whichever loop it is', async (t) => {
  const { process, url } = await serveInWorkers(t, '--timeout-worker-healthcheck', '2')
  const asked = request(`${url}/block`).catch(() => 'lost')
  await process.prints('its Python event loop was blocked, and was killed')
  t.is(await asked, 'lost')
  const [stopped = ''] = await pids(url, 2)
  globalThis.process.kill(Number(stopped), 'SIGSTOP')
  await process.prints('its Node.js event loop was blocked, and was killed')
  t.is((await pids(url, 2)).length, 2)
})

test('SIGTTIN and SIGTTOU change how many workers there are', async (t) => {
  const { process, url } = await serveInWorkers(t)
  const [first = '', second = ''] = await pids(url, 2)
  process.child.kill('SIGTTIN')
  await process.prints('Now 3 workers.')
  const three = await pids(url, 3)
  t.true(three.includes(first) && three.includes(second))
  process.child.kill('SIGTTOU')
  await process.prints('Now 2 workers.')
  const third = three.find((pid) => pid !== first && pid !== second)
  await process.prints(`shutdown of ${third}`)
  process.child.kill('SIGTERM')
  t.is((await process.ends()).code, 0)
})

test('serves on a Unix socket from several processes, and takes it away at the end', async (t) => {
  const socketPath = join(await folder(t), 'app.sock')
  const { process, url } = await serveInWorkers(t, '--uds', socketPath)
  t.is(url, `unix:${socketPath}`)
  t.is((await stat(socketPath)).mode & 0o666, 0o666)
  const old = await pids('http://localhost', 2, socketPath)
  const load = new Load(t, 'http://localhost/pid', 4, { socketPath })
  await load.goesOn(50)
  process.child.kill('SIGHUP')
  await process.prints('Reloaded.')
  await load.goesOn(50)
  await load.stop()
  t.deepEqual(load.failures, [])
  t.is([...load.answers.keys()].filter((pid) => !old.includes(pid)).length, 2)
  process.child.kill('SIGTERM')
  t.is((await process.ends()).code, 0)
  await t.throwsAsync(stat(socketPath), { code: 'ENOENT' })
})

test('serves HTTPS and HTTP/2 from several processes, which resume the sessions of each other', async (t) => {
  const { certificate, key } = createCertificate()
  const file = join(await folder(t), 'both.pem')
  await writeFile(file, key + certificate)
  const { url, port } = await serveInWorkers(t, '--ssl-certfile', file, '--http2')
  t.regex(url, /^https:/)

  const session = connectHttp2(url, { ca: certificate })
  t.teardown(() => session.destroy())
  let text = ''
  for await (const chunk of session.request({ ':path': '/pid' })) text += String(chunk)
  t.regex(text, /^\d+$/)

  /** Who answers on a new connection, and what became of the session. */
  const ask = async (ticket: Buffer | undefined) => {
    const socket = connectTls({ port, host: '127.0.0.1', ca: certificate, session: ticket })
    t.teardown(() => socket.destroy())
    let given: Buffer | undefined
    socket.on('session', (ticketGiven: Buffer) => (given = ticketGiven))
    await once(socket, 'secureConnect')
    const isReused = socket.isSessionReused()
    socket.write('GET /pid HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n')
    const answer = await readAll(socket)
    return { pid: answer.split('\r\n\r\n')[1], isReused, given }
  }
  const first = await ask(undefined)
  t.false(first.isReused)
  t.truthy(first.given)
  let other: Awaited<ReturnType<typeof ask>>
  do other = await ask(first.given)
  while (other.pid === first.pid)
  t.true(other.isReused)
})

async function readAll(socket: TLSSocket): Promise<string> {
  let text = ''
  for await (const chunk of socket) text += String(chunk)
  return text
}

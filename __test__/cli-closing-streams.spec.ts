// What becomes of open responses when the command line stops.
import test from 'ava'
import { serveByCommand } from './helpers/command-line.js'
import { Probe, unique } from './helpers/probe.js'
import { RawConnection } from './helpers/raw-connection.js'

const line = (target: string) => `GET ${target} HTTP/1.1\r\nHost: test\r\n\r\n`

for (const kind of ['sse_starlette', 'starlette', 'asks']) {
  for (const [how, flags] of [
    ['alone', []],
    ['in a worker', ['--workers', '2']],
    ['under --reload', ['--reload']],
  ] as const) {
    test.serial(`the command line stops at once with an open stream: ${kind}, ${how}`, async (t) => {
      const app = ['event_streams:served', '--lifespan', 'off', '--timeout-graceful-shutdown', '60'] as const
      const { process: server, port } = await serveByCommand(t, ...app, ...flags)
      const raw = await RawConnection.open(t, port)
      raw.write(line(`/${kind}/${unique()}`))
      await raw.until('data: ')
      const began = performance.now()
      server.child.kill('SIGTERM')
      const { text } = await raw.rest()
      t.regex(text, /0\r\n\r\n$/)
      t.like(await server.ends(), { code: 0 })
      t.true(performance.now() - began < 8_000, `${performance.now() - began} ms`)
    })
  }
}

test.serial(
  'a worker that is replaced tells its event streams at once, as long as it may keep connections',
  async (t) => {
    const flags = ['--lifespan', 'off', '--workers', '2', '--timeout-keep-alive', '60']
    const long = ['--timeout-graceful-shutdown', '60']
    const { process: server, port } = await serveByCommand(t, 'event_streams:served', ...flags, ...long)
    const raw = await RawConnection.open(t, port)
    raw.write(line(`/starlette/${unique()}`))
    await raw.until('data: ')
    const began = performance.now()
    server.child.kill('SIGHUP')
    await raw.until('\r\n0\r\n\r\n')
    t.true(performance.now() - began < 30_000)
    // Another has its place.
    const next = await RawConnection.open(t, port)
    next.write(line(`/starlette/${unique()}`))
    await next.until('data: ')
  },
)

test.serial('a download is not cut when the command line stops', async (t) => {
  const { process: server, port, url } = await serveByCommand(t, 'event_streams:served', '--lifespan', 'off')
  const there = new Probe({ handle: async ({ url: path, ...rest }) => fetch(`${url}${path}`, rest) })
  const name = unique()
  const raw = await RawConnection.open(t, port)
  const gate = await RawConnection.open(t, port)
  raw.write(line(`/download/${name}`))
  await there.wait(`${name}:open`)
  // A connection that is open already still has its request answered.
  gate.write(`POST /tell/${name}:go HTTP/1.1\r\nHost: test\r\nContent-Length: 4\r\n\r\nnu`)
  await there.wait(`${name}:open`)
  server.child.kill('SIGTERM')
  await server.prints('Stopping')
  gate.write('ll')
  const { body } = await raw.response()
  t.is(body, 'x'.repeat(1000) + 'y'.repeat(1000))
  t.like(await server.ends(), { code: 0 })
})

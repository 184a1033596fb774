import { createHmac } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import test, { type ExecutionContext } from 'ava'
import { AgentServer, type Settings } from './helpers/agent-server.js'

// Whom the server tells of a turn's end, and whom it never asks.

async function start(t: ExecutionContext, settings?: Settings): Promise<AgentServer> {
  const server = await AgentServer.start(settings)
  t.teardown(() => server.close())
  return server
}

type Refusal = { error: { code: string; message: string } }

/** A receiver on this machine; its address as a URL has it. */
async function receive(t: ExecutionContext, listener: RequestListener): Promise<number> {
  const receiver = createServer(listener).listen(0, '127.0.0.1')
  await once(receiver, 'listening')
  t.teardown(() => receiver.close())
  return (receiver.address() as AddressInfo).port
}

test.serial('a webhook is signed, and tried again', async (t) => {
  const received: { headers: IncomingHttpHeaders; body: string }[] = []
  let arrived: () => void = () => {}
  const done = new Promise<void>((resolve) => (arrived = resolve))
  const port = await receive(t, (req, res) => {
    let body = ''
    req.on('data', (text: Buffer) => (body += text.toString()))
    req.on('end', () => {
      received.push({ headers: req.headers, body })
      res.writeHead(received.length === 1 ? 500 : 204).end()
      if (received.length === 2) arrived()
    })
  })
  const host = `127.0.0.1:${port}`
  const server = await start(t, { env: { WEBHOOK_SECRET: 'shared with the receiver', WEBHOOK_PRIVATE_HOSTS: host } })
  const id = await server.session({ webhook_url: `http://${host}/hook` })
  await server.json('POST', `/sessions/${id}/messages`, { prompt: 'Hello' })
  await done
  t.is(received.length, 2)
  const { headers, body } = received[1]!
  t.like(JSON.parse(body), {
    type: 'turn.done',
    data: { session_id: id, status: 'completed', text: 'You said: Hello' },
  })
  const signature = createHmac('sha256', 'shared with the receiver').update(
    `${String(headers['webhook-timestamp'])}.${body}`,
  )
  t.is(headers['webhook-signature'], `sha256=${signature.digest('hex')}`)
  t.is(headers['webhook-id'], received[0]!.headers['webhook-id'])
  t.is(headers.host, host)
})

test.serial('a webhook goes into no private network', async (t) => {
  const server = await start(t, { env: { WEBHOOK_SECRET: 'x' } })
  for (const url of [
    'http://example.com/',
    'https://127.0.0.1/',
    'https://localhost/',
    'https://10.1.2.3/',
    'https://169.254.169.254/latest',
    'https://[::1]/',
    'https://[::ffff:10.0.0.1]/',
    'https://[64:ff9b::a00:1]/',
    'https://db.internal/',
    'https://user:password@example.com/',
    'ftp://example.com/',
    'nonsense',
  ]) {
    const refused = await server.json<Refusal>('POST', '/sessions', { webhook_url: url })
    t.like(refused, { status: 422, body: { error: { code: 'webhook_url' } } }, url)
  }
  const none = await start(t)
  t.like(await none.json('POST', '/sessions', { webhook_url: 'https://example.com/' }), {
    status: 422,
    body: { error: { code: 'no_webhooks' } },
  })
})

test.serial('a name that leads into a private network is found out when it is looked up', async (t) => {
  let asked = 0
  const port = await receive(t, (_req, res) => {
    asked++
    res.end()
  })
  const server = await start(t, { env: { WEBHOOK_SECRET: 'x' } })
  // No address as far as the URL goes: resolvers make 127.0.0.1 of it.
  const id = await server.session({ webhook_url: `https://2130706433:${port}/` })
  await server.json('POST', `/sessions/${id}/messages`, { prompt: 'Hello' })
  t.regex(await server.process.printsLine(/webhook \S+ is not sent: .*/), /it leads into a private network/)
  t.is(asked, 0)
})

test.serial('a receiver that sends the server elsewhere is not obeyed', async (t) => {
  const asked: string[] = []
  const elsewhere = await receive(t, (req, res) => {
    asked.push(`elsewhere ${req.url}`)
    res.end()
  })
  let again: () => void = () => {}
  const tried = new Promise<void>((resolve) => (again = resolve))
  const port = await receive(t, (req, res) => {
    asked.push(`receiver ${req.url}`)
    res.writeHead(307, { location: `http://127.0.0.1:${elsewhere}/secret` }).end()
    if (asked.length === 2) again()
  })
  const host = `127.0.0.1:${port}`
  const server = await start(t, { env: { WEBHOOK_SECRET: 'x', WEBHOOK_PRIVATE_HOSTS: host } })
  const id = await server.session({ webhook_url: `http://${host}/hook` })
  await server.json('POST', `/sessions/${id}/messages`, { prompt: 'Hello' })
  // It is no answer that counts, and so there is a second try.
  await tried
  t.deepEqual(asked, ['receiver /hook', 'receiver /hook'])
})

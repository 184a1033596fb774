import { createServer } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { inspect } from 'node:util'
import test, { type ExecutionContext } from 'ava'
import { EventStream } from './helpers/event-stream.js'
import { scripted, startMessagesApi, type StandIn } from './helpers/messages-api.js'

// The proxy that keeps the token of the Messages API from agents, in front of the stand-in.

interface Proxy {
  readonly url: string
  admit(): { token: string; env: Record<string, string>; release(): void }
  close(): Promise<void>
}

type Credential = { apiKey: string } | { oauthToken: string }

async function startProxy(t: ExecutionContext, upstream: string, credential: Credential): Promise<Proxy> {
  const module = new URL('../examples/shared/credential-proxy/proxy.mjs', import.meta.url)
  const { CredentialProxy } = (await import(module.href)) as {
    CredentialProxy: { start(options: { upstream: string; credential: Credential }): Promise<Proxy> }
  }
  const proxy = await CredentialProxy.start({ upstream, credential })
  t.teardown(() => proxy.close())
  return proxy
}

const API_KEY = 'sk-ant-api03-real'

async function start(t: ExecutionContext, credential: Credential = { apiKey: API_KEY }) {
  const api = await startMessagesApi({ token: Object.values(credential)[0] as string })
  t.teardown(() => api.close())
  return { api, proxy: await startProxy(t, api.url, credential) }
}

async function ask(proxy: Proxy, token: string, prompt: string, init: RequestInit = {}) {
  return fetch(`${proxy.url}/v1/messages?beta=true`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'anthropic-beta': 'one', cookie: 'a=b' },
    body: JSON.stringify({ model: 'm', stream: true, messages: [{ role: 'user', content: prompt }] }),
    ...init,
  })
}

const stopped = (api: StandIn) => api.request(() => true, 'settled').then(({ state }) => state)

test('puts the API key in place of the token that an agent has', async (t) => {
  const { api, proxy } = await start(t)
  const { token, env } = proxy.admit()
  t.deepEqual(env, {
    ANTHROPIC_BASE_URL: proxy.url,
    ANTHROPIC_AUTH_TOKEN: token,
    CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
  })
  const response = await ask(proxy, token, 'Hello')
  t.is(response.status, 200)
  t.regex(await response.text(), /"text":"said: "/)
  const { headers, url } = api.requests[0]!
  t.is(url, '/v1/messages?beta=true')
  t.is(headers['x-api-key'], API_KEY)
  t.is(headers['anthropic-beta'], 'one')
  for (const name of ['authorization', 'cookie']) t.is(headers[name], undefined, name)
})

test("puts a subscription's token in its place, with the beta that it needs", async (t) => {
  const { api, proxy } = await start(t, { oauthToken: 'sk-ant-oat01-real' })
  await (await ask(proxy, proxy.admit().token, 'Hello')).text()
  const { headers } = api.requests[0]!
  t.is(headers.authorization, 'Bearer sk-ant-oat01-real')
  t.is(headers['anthropic-beta'], 'one,oauth-2025-04-20')
  t.is(headers['x-api-key'], undefined)
})

test('knows no other token, and none that was released', async (t) => {
  const { api, proxy } = await start(t)
  const { token, release } = proxy.admit()
  release()
  for (const stranger of [token, API_KEY, 'x', '']) t.is((await ask(proxy, stranger, 'Hello')).status, 401, stranger)
  t.is(api.requests.length, 0)
})

test('forwards nothing but what an agent needs', async (t) => {
  const { api, proxy } = await start(t)
  const headers = { 'x-api-key': proxy.admit().token }
  for (const [method, path] of [
    ['GET', '/v1/messages'],
    ['POST', '/v1/files'],
    ['POST', '/v1/messages/batches'],
    ['GET', '/v1/organizations/x'],
    ['POST', '/v1/messages/../files'],
    ['GET', '//evil.example/v1/models'],
  ] as const) {
    t.is((await fetch(proxy.url + path, { method, headers })).status, 404, path)
  }
  t.is(api.requests.length, 0)
})

test('streams event by event, and ends the request above when the agent leaves', async (t) => {
  const { api, proxy } = await start(t)
  const leaving = new AbortController()
  const prompt = scripted([{ text: 'one two', gate: 'never' }])
  const response = await ask(proxy, proxy.admit().token, prompt, { signal: leaving.signal })
  const events = new EventStream(response.body!)
  t.is((await events.next()).event, 'message_start')
  leaving.abort()
  t.is(await stopped(api), 'aborted')
})

test('ends the request of an agent that is released', async (t) => {
  const { api, proxy } = await start(t)
  const { token, release } = proxy.admit()
  const response = await ask(proxy, token, scripted([{ text: 'one two', gate: 'never' }]))
  release()
  await t.throwsAsync(response.text())
  t.is(await stopped(api), 'aborted')
})

test('a stream that breaks above breaks for the agent', async (t) => {
  const { proxy } = await start(t)
  const response = await ask(proxy, proxy.admit().token, scripted([{ text: 'one two three', breakAfter: 2 }]))
  await t.throwsAsync(response.text())
})

test('gives on what the API refuses, with its pause', async (t) => {
  const { proxy } = await start(t)
  const response = await ask(proxy, proxy.admit().token, scripted([{ status: 529, retryAfter: 7 }]))
  t.is(response.status, 529)
  t.is(response.headers.get('retry-after'), '7')
  t.like(await response.json(), { error: { type: 'overloaded_error' } })
})

test('follows no redirect', async (t) => {
  const api = createServer((_req, res) => res.writeHead(302, { location: 'http://evil.example/' }).end())
  api.listen(0, '127.0.0.1')
  await once(api, 'listening')
  t.teardown(() => api.close())
  const proxy = await startProxy(t, `http://127.0.0.1:${(api.address() as AddressInfo).port}`, { apiKey: API_KEY })
  const response = await ask(proxy, proxy.admit().token, 'Hello', { redirect: 'manual' })
  t.is(response.status, 302)
  t.is(response.headers.get('location'), null)
})

test('says that the API cannot be reached, without the token', async (t) => {
  const gone = createServer().listen(0, '127.0.0.1')
  await once(gone, 'listening')
  const { port } = gone.address() as AddressInfo
  gone.close()
  await once(gone, 'close')
  const proxy = await startProxy(t, `http://127.0.0.1:${port}`, { apiKey: API_KEY })
  const response = await ask(proxy, proxy.admit().token, 'Hello')
  t.is(response.status, 502)
  const text = await response.text()
  t.regex(text, /cannot be reached \(ECONNREFUSED\)/)
  t.false(text.includes(API_KEY))
})

test('does not show the token when it is printed', async (t) => {
  const { proxy } = await start(t)
  t.false(inspect(proxy, { depth: null, showHidden: true }).includes(API_KEY))
})

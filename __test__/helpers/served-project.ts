import { createHash } from 'node:crypto'
import type { ExecutionContext } from 'ava'
import { request } from './client.js'

export interface Items {
  greeting: string
  served: number
  root_path: string
  url: string
  client: unknown
}

/** What the app of `hosts/next/project` says of a request. */
export const items = async (url: string): Promise<Items> => (await request(`${url}/items`)).json() as Items

/** What every server of that app has to do, at the address of the app; the client is what Python knows of it. */
export async function serves(t: ExecutionContext, url: string, mount: string, client: unknown = null): Promise<void> {
  const origin = url.slice(0, -mount.length)
  t.like(await items(url), { greeting: 'from Python', root_path: mount, url: `${url}/items`, client })
  const { status, text } = await request(`${url}/nothing-here`)
  t.deepEqual([status, text], [404, '{"detail":"Not Found"}'])
  t.true((await request(`${url}/docs`)).text.includes(`'${mount}/openapi.json'`))
  const slashed = await request(`${url}/items/`)
  t.deepEqual([slashed.status, slashed.headers['location']], [307, `${origin}${mount}/items`])

  const body = Buffer.alloc(20 * 2 ** 20, 'amphis')
  const bytes = { 'content-type': 'application/octet-stream' }
  const sent = await request(`${url}/digest`, { method: 'POST', headers: bytes, body })
  t.deepEqual(sent.json(), { length: body.length, sha256: createHash('sha256').update(body).digest('hex') })
  const words = { text: 'tea for two' }
  const headers = { 'content-type': 'application/json' }
  const counted = await request(`${url}/words`, { method: 'POST', headers, body: JSON.stringify(words) })
  t.deepEqual(counted.json(), { words: 3 })
  const cookies = await request(`${url}/cookies`, { headers: { cookie: 'three=3' } })
  t.deepEqual(cookies.json(), { three: '3' })
  const ofPython = cookies.headers['set-cookie']?.filter((cookie) => !cookie.startsWith('node='))
  t.deepEqual(ofPython, ['one=1; Path=/; SameSite=lax', 'two=2; Path=/; SameSite=lax'])

  const leaving = new AbortController()
  const events = await fetch(`${url}/events`, { signal: leaving.signal })
  const first = await events.body!.getReader().read()
  t.true(Buffer.from(first.value).toString().startsWith('data: 0\n\n'))
  leaving.abort()
  t.deepEqual((await request(`${url}/left`)).json(), { left: true })
}

import { expect, test } from '@playwright/test'
import { scripted } from '../../../../__test__/helpers/messages-api.js'
import { OTHER_KEY, Service } from '../../local/service.js'
import { clientsOf, eventsOf, resultOf, type Client } from '../helpers/client.js'

// Two turns at once, somebody else's sessions, sessions that are damaged: what is kept stays what it was.

let service: Service
let api: Client
let streaming: Client

test.beforeAll(async () => {
  service = await Service.start({ env: { SESSION_MEGABYTES: '0.01' } })
  ;({ buffered: api, streamed: streaming } = clientsOf(service))
})
test.afterAll(() => service.close())

/** A turn that waits in the middle until its gate is opened. */
async function waiting(gate: string, session_id: string) {
  const stream = await streaming.stream({ prompt: scripted([{ text: 'so far', gate }], gate), session_id })
  await service.api.request(({ body }) => JSON.stringify(body).includes(gate))
  return stream
}

test('of two turns at once the second gets 409 at once, and nothing of the first is lost', async () => {
  const { session_id } = await api.turn('Say: first')
  const stream = await waiting('at-once', session_id)
  const second = await api.ask({ prompt: 'Say: second', session_id })
  expect(second.status).toBe(409)
  expect(second.body).toEqual({ success: false, error: 'another turn of this session is under way', session_id })
  service.api.open('at-once')
  expect((await eventsOf(stream)).at(-1)?.event).toBe('done')
  await api.turn('And now?', session_id)
  const { body } = service.api.requests.at(-1)!
  expect(JSON.stringify(body)).toContain('at-once')
  expect(JSON.stringify(body)).not.toContain('Say: second')
  expect(await service.bucket.versions(`${session_id}.zip`)).toBe(3)
})

test('what another writer has written during a turn is not overwritten', async () => {
  const { session_id } = await api.turn('Say: first')
  const stream = await waiting('overtaken', session_id)
  await service.bucket.put(`${session_id}.zip`, 'theirs')
  service.api.open('overtaken')
  const last = (await eventsOf(stream)).at(-1)!
  expect(last.event).toBe('error')
  expect(last.data).toMatchObject({ success: false, session_id })
  expect(last.data.error).toContain('another one has written the session')
  expect((await service.bucket.get(`${session_id}.zip`)).bytes.toString()).toBe('theirs')
})

test('a lease whose owner has died is taken once it is over, and not before', async () => {
  const { session_id } = await api.turn('Say: first')
  const lease = (seconds: number) => JSON.stringify({ until: Date.now() + seconds * 1000 })
  await service.bucket.put(`leases/${session_id}`, lease(60))
  expect((await api.ask({ prompt: 'x', session_id })).status).toBe(409)
  await service.bucket.put(`leases/${session_id}`, lease(-1))
  expect((await api.ask({ prompt: 'x', session_id })).status).toBe(200)
})

test("somebody else's session is as unknown as one that there is not", async () => {
  const { session_id } = await api.turn('Say: mine')
  const foreign = await api.ask({ prompt: 'x', session_id }, { key: OTHER_KEY })
  const none = await api.ask({ prompt: 'x', session_id: `session-${'0'.repeat(32)}` }, { key: OTHER_KEY })
  expect(foreign.status).toBe(404)
  expect(none.status).toBe(404)
  expect(foreign.body.error).toBe(none.body.error)
  expect((await api.ask({ prompt: 'x', session_id })).status).toBe(200)
})

test('what is no session of this service is refused and left as it is', async () => {
  const { session_id, s3_url } = await api.turn('Say: first')
  const key = `${session_id}.zip`
  expect(s3_url).toBe(`s3://${service.bucket.name}/${key}`)
  const { owner = '' } = (await service.bucket.get(key)).metadata
  await service.bucket.put(key, 'no zip', { owner })
  const damaged = await api.ask({ prompt: 'x', session_id })
  expect(damaged.status).toBe(422)
  expect(damaged.body.error).toContain('refused, and left as it is')
  expect((await service.bucket.get(key)).bytes.toString()).toBe('no zip')
  // The version before is there, and can be put back.
  expect(await service.bucket.versions(key)).toBe(2)

  await service.bucket.put(key, 'x'.repeat(20_000), { owner })
  expect((await api.ask({ prompt: 'x', session_id })).status).toBe(413)
})

test('a turn that makes a session too large is not kept, and the session is as it was', async () => {
  const { session_id } = await api.turn('Say: small')
  // Nothing that DEFLATE could make smaller.
  const noise = Array.from(crypto.getRandomValues(new Uint32Array(4000)), (word) => word.toString(36)).join(' ')
  const { status, body } = await api.ask({ prompt: noise, session_id })
  expect(status).toBe(413)
  expect(body.error).toContain('not kept')
  expect(resultOf((await api.turn('Say: still small', session_id)).messages)).toContain('still small')
})

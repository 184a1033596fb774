import { expect, test } from '@playwright/test'
import { api, eventsOf, isLocal, streaming } from './helpers/client.js'

test.describe('response format', () => {
  test('success has its four members and no other', async () => {
    const { headers, body } = await api.ask({ prompt: 'Say: format' })
    expect(headers.get('content-type')).toContain('application/json')
    expect(Object.keys(body).toSorted()).toEqual(['messages', 's3_url', 'session_id', 'success'])
    const types = body.messages?.map(({ type }) => type)
    expect(types?.at(-1)).toBe('result')
    expect(types).toContain('assistant')
  })

  test('failure has an error, and the session if one was named', async () => {
    const nameless = await api.ask({ prompt: '' })
    expect(nameless.headers.get('content-type')).toContain('application/json')
    expect(nameless.body).toEqual({ success: false, error: expect.any(String) })
    const session_id = `session-${'0'.repeat(32)}`
    const named = await api.ask({ prompt: 'x', session_id })
    expect(named.body).toEqual({ success: false, error: expect.any(String), session_id })
  })

  test('as a stream a turn is the session, messages with their pieces, and the end', async () => {
    const events = await eventsOf(await streaming.stream({ prompt: 'Say: one two three' }))
    expect(events[0]?.event).toBe('session')
    const { session_id } = events[0]!.data
    expect(session_id).toMatch(/^session-[0-9a-f]{32}$/)
    const messages = events.filter(({ event }) => event === 'message').map(({ data }) => data.type)
    expect(new Set(messages)).toEqual(new Set(['stream_event', 'assistant', 'result']))
    if (isLocal) expect(messages.indexOf('stream_event')).toBeLessThan(messages.indexOf('assistant'))
    const last = events.at(-1)!
    expect(last.event).toBe('done')
    expect(last.data).toMatchObject({ success: true, session_id, messages: [] })
    expect(last.data.s3_url).toContain(`${session_id}.zip`)
  })
})

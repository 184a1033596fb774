import { expect, test } from '@playwright/test'
import { api, key } from './helpers/client.js'

const unknown = `session-${'0123456789abcdef'.repeat(2)}`

test.describe('errors', () => {
  test('a prompt that is missing, empty or no text is refused', async () => {
    for (const body of [{}, { prompt: '' }, { prompt: ' \n' }, { prompt: 1 }, { prompt: null }]) {
      const answer = await api.ask(body)
      expect(answer.status, JSON.stringify(body)).toBe(400)
      expect(answer.body.error).toContain('prompt')
    }
  })

  test('a body that is no JSON, no object, or has more than there is, is refused', async () => {
    for (const body of ['{', '', '[]', '"prompt"', '{"prompt":"x","model":"other"}']) {
      expect((await api.ask(body)).status, body).toBe(400)
    }
  })

  test('a session id that the server does not make is never a key, and one that it has not made is unknown', async () => {
    for (const session_id of ['', '../x', 'session-1', `${unknown}/..`, `${unknown}\n`, unknown.toUpperCase(), 1]) {
      const answer = await api.ask({ prompt: 'x', session_id })
      expect(answer.status, JSON.stringify(session_id)).toBe(400)
      expect(answer.body.error).toContain('session_id')
    }
    const answer = await api.ask({ prompt: 'x', session_id: unknown })
    expect(answer.status).toBe(404)
    expect(answer.body.session_id).toBe(unknown)
  })

  test('nobody is answered without a key that is known', async () => {
    for (const wrong of ['', 'wrong', `${key}x`]) {
      const answer = await api.ask({ prompt: 'x' }, { key: wrong })
      expect(answer.status, wrong).toBe(401)
      expect(answer.body.error).toContain('x-api-key')
    }
  })

  test('a prompt of 1 MB is too large', async () => {
    const answer = await api.ask({ prompt: 'x'.repeat(1024 * 1024) })
    expect(answer.status).toBe(413)
    expect(answer.body.error).toContain('200000 characters')
  })
})

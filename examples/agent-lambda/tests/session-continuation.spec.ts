import { expect, test } from '@playwright/test'
import { api, isLocal, resultOf, streaming, textOf, toldToModel } from './helpers/client.js'

test.describe('session continuation', () => {
  test('a session that is named goes on under its name', async () => {
    const { session_id, s3_url } = await api.turn('Say: first')
    const next = await api.turn('Say: second', session_id)
    expect(next.session_id).toBe(session_id)
    expect(next.s3_url).toBe(s3_url)
  })

  test('the agent knows what was said before', async () => {
    const { session_id } = await api.turn('The word is xylophone. Say: noted')
    const question = 'Which word was it? Answer with the word alone.'
    const { messages } = await api.turn(question, session_id)
    if (isLocal) {
      expect(await toldToModel(question)).toContain('The word is xylophone')
    } else {
      expect(resultOf(messages)).toContain('xylophone')
    }
  })

  test('each answer has the messages of its turn, whichever function gives it', async () => {
    const { session_id } = await api.turn('Say: alpha')
    const second = await streaming.turn('Say: beta', session_id)
    const third = await api.turn('Say: gamma', session_id)
    expect(resultOf(second.messages)).toContain('beta')
    expect(textOf(second.messages)).not.toContain('Say: alpha')
    expect(resultOf(third.messages)).toContain('gamma')
    expect(third.messages.filter(({ type }) => type === 'result')).toHaveLength(1)
  })
})

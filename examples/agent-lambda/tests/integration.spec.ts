import { expect, test } from '@playwright/test'
import { api, eventsOf, isLocal, resultOf, streaming, toldToModel } from './helpers/client.js'

test.describe('integration', () => {
  test('a session begins as a stream, goes on as a whole, and ends as a stream', async () => {
    const first = await eventsOf(await streaming.stream({ prompt: 'The number is 4711. Say: noted' }))
    const { session_id } = first[0]!.data
    expect(resultOf((await api.turn('Say: in between', session_id)).messages)).toContain('in between')
    const question = 'Which number was it, at the very first?'
    const last = await eventsOf(await streaming.stream({ prompt: question, session_id }))
    expect(last.at(-1)).toMatchObject({ event: 'done', data: { session_id } })
    if (isLocal) {
      expect(await toldToModel(question)).toContain('The number is 4711')
    } else {
      expect(JSON.stringify(last)).toContain('4711')
    }
  })

  test('two sessions know nothing of each other, at the same time', async () => {
    const [one, two] = await Promise.all([
      api.turn('My name is Ada. Say: hello'),
      api.turn('My name is Bob. Say: hello'),
    ])
    const questions = ['What am I called, one?', 'What am I called, two?']
    const answers = await Promise.all([
      api.turn(questions[0]!, one.session_id),
      api.turn(questions[1]!, two.session_id),
    ])
    const known = isLocal
      ? await Promise.all(questions.map(toldToModel))
      : answers.map(({ messages }) => resultOf(messages))
    expect(known[0]).toContain('Ada')
    expect(known[0]).not.toContain('Bob')
    expect(known[1]).toContain('Bob')
    expect(known[1]).not.toContain('Ada')
  })

  test('there is nothing else: other paths, other methods', async () => {
    expect((await fetch(`${api.url}/health`)).status).toBe(200)
    for (const [method, path, status] of [
      ['POST', '/', 404],
      ['GET', '/claude-code', 405],
      ['POST', '/claude-code/x', 404],
    ] as const) {
      const response = await fetch(api.url + path, { method })
      // API Gateway itself refuses what no route takes.
      expect([status, 404], `${method} ${path}`).toContain(response.status)
    }
  })
})

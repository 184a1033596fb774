import { expect, test } from '@playwright/test'
import { api, isLocal, standIn, streaming } from './helpers/client.js'

/** Milliseconds that a call takes. */
async function timed(call: () => Promise<unknown>): Promise<number> {
  const began = performance.now()
  await call()
  return performance.now() - began
}

const median = (numbers: number[]): number => numbers.toSorted((a, b) => a - b)[numbers.length >> 1]!

test.describe('performance', () => {
  test('a warm function refuses within a second', async () => {
    const refuse = () => api.ask({ prompt: '' })
    await refuse()
    const times: number[] = []
    for (let round = 0; round < 15; round++) times.push(await timed(refuse))
    console.log(`  refusal: ${median(times).toFixed(1)} ms in the median`)
    expect(median(times)).toBeLessThan(1000)
  })

  test('the first event of a stream comes while the agent is still at work, and a turn is over in time', async () => {
    // The stand-in waits for the gate; to a model it is words.
    const script = `<script>${JSON.stringify([{ text: 'one two', gate: 'first-event' }])}</script>`
    const began = performance.now()
    const stream = await streaming.stream({ prompt: `Say: one two ${script}` })
    expect((await stream.next()).event).toBe('session')
    const first = performance.now() - began
    if (isLocal) await fetch(`${standIn}/_stand-in/gates/first-event`, { method: 'POST' })
    while ((await stream.next()).event !== 'done');
    const whole = performance.now() - began
    console.log(`  first event: ${first.toFixed()} ms, whole turn: ${whole.toFixed()} ms`)
    expect(whole).toBeLessThan(90_000)
  })
})

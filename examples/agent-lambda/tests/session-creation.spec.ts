import { expect, test } from '@playwright/test'
import { signedByAnybody } from '../local/moto.js'
import { api, resultOf, s3 } from './helpers/client.js'

test.describe('session creation', () => {
  test('a prompt without a session makes one, which the server names', async () => {
    const { status, body } = await api.ask({ prompt: 'Say: hello' })
    expect(status).toBe(200)
    expect(body.success).toBe(true)
    expect(body.session_id).toMatch(/^session-[0-9a-f]{32}$/)
    expect(resultOf(body.messages ?? [])).toContain('hello')
  })

  test('every prompt without a session makes another one', async () => {
    const [one, two] = [await api.turn('Say: one'), await api.turn('Say: two')]
    expect(one.session_id).not.toBe(two.session_id)
  })

  test('the session is kept in the bucket under its name', async () => {
    const { session_id, s3_url } = await api.turn('Say: kept')
    expect(s3_url).toMatch(new RegExp(`^s3://[a-z0-9.-]+/${session_id}\\.zip$`))
    if (s3 === undefined) return
    const kept = await fetch(s3_url.replace('s3:/', s3), { headers: { authorization: signedByAnybody } })
    expect(kept.status).toBe(200)
    expect(kept.headers.get('x-amz-meta-files')).toBe('1')
    expect(Date.parse(kept.headers.get('x-amz-meta-created') ?? '')).toBeGreaterThan(Date.now() - 60_000)
    expect(kept.headers.get('x-amz-version-id')).toBeTruthy()
    const zip = Buffer.from(await kept.arrayBuffer())
    expect(zip.readUInt32LE(0)).toBe(0x04_03_4b_50)
    // DEFLATE.
    expect(zip.readUInt16LE(8)).toBe(8)
  })
})

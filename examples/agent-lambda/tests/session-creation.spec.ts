import { expect, test } from '@playwright/test'
import { api, bucket, resultOf } from './helpers/client.js'

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
    if (bucket === undefined) return
    const { bytes: zip, metadata, version } = await bucket.get(`${session_id}.zip`)
    expect(metadata['files']).toBe('1')
    expect(Date.parse(metadata['created'] ?? '')).toBeGreaterThan(Date.now() - 60_000)
    expect(version).toBeTruthy()
    expect(zip.readUInt32LE(0)).toBe(0x04_03_4b_50)
    // DEFLATE.
    expect(zip.readUInt16LE(8)).toBe(8)
  })
})

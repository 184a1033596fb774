import { expect, test } from '@playwright/test'
import { isVersity, Service } from '../../local/service.js'
import { clientsOf } from '../helpers/client.js'

// Only where S3 checks who asks: `npm run test:agent-lambda -- --s3 versitygw`. To moto everybody is the owner. AWS calls a
// key that nobody has InvalidAccessKeyId.

const [wrong, unknown] = isVersity ? ['SignatureDoesNotMatch', 'XAdminUserNotFound'] : []

for (const [what, env, name] of [
  ['a secret key that is not the right one', { AWS_SECRET_ACCESS_KEY: 'another-secret-key' }, wrong],
  ['an access key that nobody has', { AWS_ACCESS_KEY_ID: 'AKIANOBODYHASTHISKEY' }, unknown],
] as const) {
  if (name === undefined) continue
  test(`${what} is S3's refusal in the answer`, async () => {
    const service = await Service.start({ env })
    try {
      const { status, body } = await clientsOf(service).buffered.ask({ prompt: 'Say: x' })
      expect(status).toBe(503)
      expect(body.error).toContain(name)
      expect(JSON.stringify(body) + service.log).not.toContain('another-secret-key')
    } finally {
      await service.close()
    }
  })
}

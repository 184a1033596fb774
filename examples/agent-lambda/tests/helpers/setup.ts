// Brings the service up for the tests of `api`, unless LAMBDA_API_URL names one.
import { Service } from '../../local/service.js'

export default async function setUp(): Promise<(() => Promise<void>) | void> {
  if (process.env['LAMBDA_API_URL']) return undefined
  const service = await Service.start()
  Object.assign(process.env, {
    LOCAL_API_URL: service.buffered.url,
    LOCAL_STREAM_URL: service.streamed.url,
    LOCAL_STAND_IN: service.api.url,
    LOCAL_S3: service.s3.url,
  })
  return async () => {
    await service.close()
    if (/Traceback|Unhandled/.test(service.log)) throw new Error(`the functions have logged:\n${service.log}`)
  }
}

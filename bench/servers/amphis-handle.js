import { PythonHandler } from '../../index.js'
import { callInProcess } from './in-process.js'
import { settings } from './listen.js'

const handler = new PythonHandler({ app: 'main:app', appDir: settings.appDir, python: settings.python })

callInProcess(async ({ method, path, headers, body }) => {
  const response = await handler.handle({ method, url: path, headers, body })
  const contentType = () => response.rawHeaders[response.rawHeaders.indexOf('content-type') + 1]
  return { status: response.status, contentType, body: await response.bytes() }
})

import { Python, Request } from '@platformatic/python-node'
import { callInProcess } from './in-process.js'
import { settings } from './listen.js'

const python = new Python({ docroot: settings.appDir, appTarget: { file: 'main', function: 'app' } })

callInProcess(async ({ method, path, headers, body }) => {
  const response = await python.handleRequest(
    new Request({ method, url: `http://127.0.0.1${path}`, headers, body: body && Buffer.from(body) }),
  )
  const contentType = () => response.headers.get('content-type') ?? ''
  return { status: response.status, contentType, body: response.body }
})

// What stands in for Passport, Auth.js or a session: who sends which token.
const users = new Map([['token-of-ada', 'ada']])

/** @param {import('node:http').IncomingHttpHeaders | Record<string, string | undefined>} headers */
export function userOf(headers) {
  return users.get(String(headers['authorization'] ?? '').replace(/^Bearer /, ''))
}

/** What every example hands over to Python. @type {import('amphis').PythonHandlerOptions} */
export const app = {
  app: 'main:app',
  appDir: import.meta.dirname,
  // For WebSockets, which no middleware sees; each framework says by itself what it knows of a request.
  context: (req) => ({ user: userOf(req.headers) }),
  // What Python does not have is the framework's.
  fallthrough: true,
  onError: (error, req) => console.error(`Python failed in ${req.url}: ${error.message}`),
}

/** What a server says once it listens. @param {import('node:http').Server} server */
export function listening(server) {
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address())
  console.log(`http://127.0.0.1:${port}/api/docs`)
}

export const port = Number(process.env['PORT'] ?? 3000)

/** Ends in good order by Ctrl+C and by SIGTERM. @param {() => Promise<void>} close */
export function closeBySignal(close) {
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, close)
}

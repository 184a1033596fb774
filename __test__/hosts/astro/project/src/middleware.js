import { python } from './python.js'

export async function onRequest({ request, url, locals, cookies }, next) {
  locals.user = request.headers.get('authorization') === 'Bearer token-of-ada' ? 'ada' : undefined
  cookies.set('node', '1', { path: '/' })
  if (request.method === 'GET' && url.pathname.startsWith('/mixed/')) {
    const response = await python.fetch(request, { rootPath: '/mixed' })
    return response.status === 404 ? next() : response
  }
  return next()
}

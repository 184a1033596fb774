import { python } from '$lib/server/python'

export async function handle({ event, resolve }) {
  event.locals.user = event.request.headers.get('authorization') === 'Bearer token-of-ada' ? 'ada' : undefined
  event.cookies.set('node', '1', { path: '/' })
  if (event.request.method === 'GET' && event.url.pathname.startsWith('/mixed/')) {
    const response = await python.fetch(event.request, { rootPath: '/mixed' })
    return response.status === 404 ? resolve(event) : response
  }
  return resolve(event)
}

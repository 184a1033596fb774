import { python } from '$lib/server/python'

export const trailingSlash = 'ignore'

export const fallback = ({ request, locals, getClientAddress }) =>
  python.fetch(request, {
    rootPath: '/api',
    client: [getClientAddress(), 0],
    context: { user: locals.user },
  })

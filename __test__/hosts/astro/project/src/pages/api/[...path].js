import { python } from '../../python.js'

export const ALL = ({ request, locals, clientAddress }) =>
  python.fetch(request, { rootPath: '/api', client: [clientAddress, 0], context: { user: locals.user } })

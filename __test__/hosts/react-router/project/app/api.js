import { python } from './python.server'

async function answer({ request }) {
  const user = request.headers.get('authorization') === 'Bearer token-of-ada' ? 'ada' : undefined
  const response = await python.fetch(request, { rootPath: '/api', context: { user } })
  response.headers.append('set-cookie', 'node=1; Path=/')
  return response
}

export { answer as loader, answer as action }

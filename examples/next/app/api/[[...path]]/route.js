import { cookies } from 'next/headers'
import { api } from '../../../python'

async function answer(request) {
  const response = await api.GET(request)
  if (request.method === 'GET' && response.status === 404) {
    await response.body?.cancel()
    return Response.json({ from: 'Next.js', missing: new URL(request.url).pathname }, { status: 404 })
  }
  const store = await cookies()
  store.set('node', '1')
  return response
}

export { answer as GET, answer as HEAD, answer as POST, answer as PUT, answer as PATCH, answer as DELETE }

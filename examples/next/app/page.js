import { api } from '../python'
import { Live } from './live'

export const dynamic = 'force-dynamic'

// On the server a component asks Python without a socket.
export default async function Page() {
  const response = await api.python.fetch(new Request('http://localhost/hello'))
  const { message } = await response.json()
  return (
    <main>
      <h1>Next.js and FastAPI</h1>
      <p id="hello">{message}</p>
      <form action="/login" method="post">
        <button>Log in as Ada</button>
      </form>
      <Live />
    </main>
  )
}

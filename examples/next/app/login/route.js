import { cookies } from 'next/headers'

/** Where Auth.js would ask for a password. */
export async function POST() {
  const store = await cookies()
  store.set('session', 'session-of-ada', { httpOnly: true })
  return new Response(null, { status: 303, headers: { location: '/' } })
}

import { cookies } from 'next/headers'
import { amphis } from 'amphis/next'

// What stands in for Auth.js or a session: who has which cookie.
const users = new Map([['session-of-ada', 'ada']])

export const api = amphis(
  // The app of the other examples. Yours may lie in any folder.
  {
    app: 'main:app',
    appDir: '../shared',
    onError: (error, req) => console.error(`Python failed in ${req.url}: ${error.message}`),
  },
  { prefix: '/api', context: async () => ({ user: users.get((await cookies()).get('session')?.value) }) },
)

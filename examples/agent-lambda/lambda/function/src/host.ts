// What the Python half needs of this one: app/host.py imports it.
import { secret } from './secrets.js'

export { Turn } from './agent.js'
export { claim, look, read, release, urlOf, write } from './store.js'

/** Settings that come from secrets. What the agent alone needs is not among them. */
export const settings = (): object => ({
  hasKey: secret('ANTHROPIC_API_KEY') !== undefined,
  apiKeys: (secret('API_KEYS') ?? '').split(/[\s,]+/).filter(Boolean),
  supabaseUrl: secret('SUPABASE_URL') ?? null,
  supabaseServiceRoleKey: secret('SUPABASE_SERVICE_ROLE_KEY') ?? null,
})

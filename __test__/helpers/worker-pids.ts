import { request } from './client.js'

/** The workers that answer for `production:app`, by their process ids. */
export async function pids(url: string, count: number, socketPath?: string): Promise<string[]> {
  const found = new Set<string>()
  while (found.size < count) {
    found.add((await request(`${url}/pid`, socketPath === undefined ? {} : { socketPath })).text)
  }
  return [...found]
}

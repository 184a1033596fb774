/** Clients of the service of examples/functions, and the builds of it; without a test runner. */
import { rm } from 'node:fs/promises'
import { request } from 'node:http'
import { fileURLToPath } from 'node:url'

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url))

/** Builds the example into a folder of its own, below the example: its bundles import their packages. */
export async function buildExample(): Promise<{ dist: string; runtime: string; remove: () => Promise<void> }> {
  const script = new URL('../../examples/functions/build.mjs', import.meta.url).href
  const { buildAll } = (await import(script)) as { buildAll: (out: string) => Promise<void> }
  const dist = here(`../../examples/functions/.cache/test-${process.pid}`)
  await buildAll(dist)
  return { dist, runtime: `${dist}/runtime`, remove: () => rm(dist, { recursive: true, force: true }) }
}

/** What answers may have, of functions and events alike; where the text is no JSON, nothing. */
export interface Told {
  id: string
  name: string
  state: string
  version: number
  instances: { running: number; stopped: number }
  logs: { requestId: string; stream: string; text: string }[]
  status: string
  attempts: number
  dead: boolean
  instance: string
  result: unknown
  error: { code: string; message: string; log: string; errorType: string; errorMessage: string; stackTrace: string[] }
  deadLetters: { job: { id: string; payload: string } }[]
}

export interface Reply {
  status: number
  body: Told
  text: string
}

/** What the body is where it is no JSON: nothing of it can be relied on. */
const NOTHING = {} as Told

export const parsed = (text: string): Told => {
  try {
    return JSON.parse(text) as Told
  } catch {
    return NOTHING
  }
}

/** Asks a service as a client with a key. `fetch` never settles where a server ends in between. */
export function ask(
  url: string,
  key: string | undefined,
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const content =
      body === undefined || typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body)
    const authorization: Record<string, string> = key === undefined ? {} : { authorization: `Bearer ${key}` }
    const type: Record<string, string> = body === undefined ? {} : { 'content-type': 'application/json' }
    const req = request(url + path, { method, headers: { ...authorization, ...type, ...headers } }, (res) => {
      const chunks: Buffer[] = []
      res.on('data', (chunk: Buffer) => chunks.push(chunk))
      res.on('error', reject)
      res.on('end', () => {
        const text = Buffer.concat(chunks).toString()
        resolve({ status: res.statusCode ?? 0, body: parsed(text), text })
      })
    })
    req.on('error', reject)
    req.end(content)
  })
}

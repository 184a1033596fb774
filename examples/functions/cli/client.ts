/** Asks a service, as the commands do. */
import { readFileSync } from 'node:fs'
import { request, type IncomingMessage } from 'node:http'
import { request as requestSecurely } from 'node:https'
import { homedir } from 'node:os'
import { join } from 'node:path'

/** What ends a command with a line, and exit code 1. */
export class Failure extends Error {}

export const defaultState = join(homedir(), '.amphis-functions')

const { AMPHIS_FUNCTIONS_URL = 'http://127.0.0.1:9000', AMPHIS_FUNCTIONS_KEY } = process.env

function key(): string {
  if (AMPHIS_FUNCTIONS_KEY) return AMPHIS_FUNCTIONS_KEY
  try {
    return readFileSync(join(defaultState, 'key'), 'utf8').trim()
  } catch {
    throw new Failure(
      'no key: set AMPHIS_FUNCTIONS_KEY; a service on this machine that was given none keeps its own in STATE/key',
    )
  }
}

export function ask(
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<IncomingMessage> {
  const url = new URL(path, AMPHIS_FUNCTIONS_URL)
  const send = url.protocol === 'https:' ? requestSecurely : request
  return new Promise((resolve, reject) => {
    const type: Record<string, string> = body === undefined ? {} : { 'content-type': 'application/json' }
    const req = send(url, { method, headers: { authorization: `Bearer ${key()}`, ...type, ...headers } }, resolve)
    req.on('error', (error) =>
      reject(
        new Failure(
          `${AMPHIS_FUNCTIONS_URL} does not answer (${error.message}): is it served, is AMPHIS_FUNCTIONS_URL right?`,
        ),
      ),
    )
    req.end(body === undefined ? undefined : JSON.stringify(body))
  })
}

export async function textOf(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of response as AsyncIterable<Buffer>) chunks.push(chunk)
  return Buffer.concat(chunks).toString()
}

export interface Told {
  error?: { message: string; log?: string }
}

/** The answer; a problem ends the command with its words. */
export async function told<T>(response: IncomingMessage): Promise<T> {
  const text = await textOf(response)
  const value = (text ? JSON.parse(text) : {}) as T & Told
  if ((response.statusCode ?? 500) >= 400) throw new Failure(value.error?.message ?? text)
  return value
}

export async function* linesOf<T>(response: IncomingMessage): AsyncGenerator<T> {
  let rest = ''
  for await (const chunk of response.setEncoding('utf8') as AsyncIterable<string>) {
    const lines = (rest + chunk).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) yield JSON.parse(line) as T
  }
}

import { once } from 'node:events'
import { type Agent, type IncomingMessage, request as httpRequest } from 'node:http'

export interface RequestOptions {
  method?: string
  headers?: readonly string[] | Record<string, string | string[]>
  body?: string | Uint8Array
  agent?: Agent | false
  socketPath?: string
}

export interface Answer {
  status: number
  reason: string
  headers: IncomingMessage['headers']
  rawHeaders: string[]
  body: Buffer
  text: string
  json: () => unknown
}

/** One request with its whole response, rejected when the connection breaks. */
export async function request(url: string, options: RequestOptions = {}): Promise<Answer> {
  return readAnswer(await requestHead(url, options))
}

/** One request, resolved at the response's head. */
export async function requestHead(url: string, options: RequestOptions = {}): Promise<IncomingMessage> {
  const { method = 'GET', headers = {}, body, agent = false, socketPath } = options
  const outgoing = httpRequest(url, { method, headers, agent, ...(socketPath && { socketPath }) })
  outgoing.end(body)
  // What happens after the head shows in the reading of the body.
  outgoing.on('error', () => {})
  const [response] = (await once(outgoing, 'response')) as [IncomingMessage]
  return response
}

export async function readAnswer(response: IncomingMessage): Promise<Answer> {
  const chunks: Buffer[] = []
  for await (const chunk of response) chunks.push(chunk as Buffer)
  if (!response.complete) throw new Error('the response was cut off')
  const body = Buffer.concat(chunks)
  return {
    status: response.statusCode ?? 0,
    reason: response.statusMessage ?? '',
    headers: response.headers,
    rawHeaders: response.rawHeaders,
    body,
    text: body.toString(),
    json: () => JSON.parse(body.toString()) as unknown,
  }
}

/** The values of one header in a flat list, in order. */
export function valuesOf(flat: readonly string[], name: string): string[] {
  return flat.filter((_, index) => index % 2 === 1 && flat[index - 1]?.toLowerCase() === name)
}

/** A flat list as pairs. */
export function pairsOf(flat: readonly string[]): [string, string][] {
  return flat.flatMap((name, index) => (index % 2 === 0 ? [[name, flat[index + 1] ?? '']] : [])) as [string, string][]
}

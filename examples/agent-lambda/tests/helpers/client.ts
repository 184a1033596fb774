// A client of the service.
import { EventStream } from '../../../../__test__/helpers/event-stream.js'
import { Bucket } from '../../local/bucket.js'
import { BUCKET, KEY, OWNER, type Service } from '../../local/service.js'

const env = (name: string): string | undefined => process.env[name] || undefined

/** Whether the service runs on this machine, before a stand-in of the Messages API. */
export const isLocal = env('LAMBDA_API_URL') === undefined
export const standIn = env('LOCAL_STAND_IN')
const s3 = env('LOCAL_S3')
/** That of the service on this machine. */
export const bucket = s3 === undefined ? undefined : new Bucket(s3, BUCKET, OWNER)

export interface Message {
  readonly type: string
  readonly message?: { content: { type: string; text?: string; content?: unknown }[] | string }
  readonly result?: string
  readonly is_error?: boolean
}

export interface Answer {
  readonly success: boolean
  readonly session_id?: string
  readonly messages?: Message[]
  readonly s3_url?: string
  readonly error?: string
}

export interface Answered {
  readonly status: number
  readonly headers: Headers
  readonly body: Answer
}

/** What is asked otherwise than by default. */
export interface How {
  readonly key?: string | undefined
  readonly headers?: Record<string, string>
}

/** One URL of the service. */
export class Client {
  readonly url: string
  readonly #key: string

  constructor(url: string, key: string) {
    this.url = url.replace(/\/$/, '')
    this.#key = key
  }

  send(body: string, { key = this.#key, headers = {} }: How = {}): Promise<Response> {
    return fetch(`${this.url}/claude-code`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...(key && { 'x-api-key': key }), ...headers },
      body,
    })
  }

  /** A turn as a whole. */
  async ask(body: unknown, how?: How): Promise<Answered> {
    const response = await this.send(typeof body === 'string' ? body : JSON.stringify(body), how)
    return { status: response.status, headers: response.headers, body: (await response.json()) as Answer }
  }

  /** A turn that has to succeed. */
  async turn(prompt: string, session_id?: string): Promise<Required<Omit<Answer, 'error'>>> {
    const { status, body } = await this.ask({ prompt, session_id })
    if (status !== 200) throw new Error(`${status} ${JSON.stringify(body)}`)
    return body as Required<Omit<Answer, 'error'>>
  }

  /** A turn as a stream. */
  async stream(body: unknown, how: How = {}): Promise<EventStream> {
    const response = await this.send(JSON.stringify(body), {
      ...how,
      headers: { accept: 'text/event-stream', ...how.headers },
    })
    if (response.status !== 200) throw new Error(`${response.status} ${await response.text()}`)
    return new EventStream(response.body!)
  }
}

export const key = env('LAMBDA_API_KEY') ?? KEY
export const api = new Client(env('LAMBDA_API_URL') ?? env('LOCAL_API_URL') ?? '', key)
export const streaming = new Client(env('LAMBDA_STREAM_URL') ?? env('LOCAL_STREAM_URL') ?? api.url, key)

/** Both functions of a service of the test's own. */
export const clientsOf = ({ buffered, streamed }: Service) => ({
  buffered: new Client(buffered.url, KEY),
  streamed: new Client(streamed.url, KEY),
})

/** All that the agent has said, and what its tools have. */
export const textOf = (messages: readonly Message[]): string => JSON.stringify(messages)

/** What the agent answers at last. */
export const resultOf = (messages: readonly Message[]): string =>
  messages.find(({ type }) => type === 'result')?.result ?? ''

/** The events of a turn, to the last. */
export async function eventsOf(stream: EventStream): Promise<{ event: string; data: Answer & Message }[]> {
  const events: { event: string; data: Answer & Message }[] = []
  for (;;) {
    const { event, data } = await stream.next()
    if (event === undefined || data === undefined) continue
    events.push({ event, data: JSON.parse(data) as Answer & Message })
    if (event === 'done' || event === 'error') return events
  }
}

/** What the Messages API was told last about a prompt, in this machine's case. */
export async function toldToModel(prompt: string): Promise<string> {
  const asked = (await (await fetch(`${standIn}/_stand-in/requests`)).json()) as { body?: { messages?: unknown[] } }[]
  return JSON.stringify(asked.findLast(({ body }) => JSON.stringify(body?.messages?.at(-1))?.includes(prompt))?.body)
}

/** Starts the real server, as its users do, before the stand-in of the Messages API. */
import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { EventStream } from '../../../../__test__/helpers/event-stream.js'
import { startMessagesApi, type StandIn } from '../../../../__test__/helpers/messages-api.js'
import { NodeProcess } from '../../../../__test__/helpers/node-process.js'

export const folder = fileURLToPath(new URL('../..', import.meta.url))
/** What only the proxy may know. */
export const TOKEN = 'sk-ant-api03-only-the-proxy-knows-this'
export const KEY = 'key-of-the-first-client'
export const OTHER_KEY = 'key-of-another-client'

export type Sdk = 'python' | 'typescript'
export const SDKS: Sdk[] = ['python', 'typescript']

/** What a turn has come to. */
export interface Done {
  turn_id: string
  session_id: string | null
  status: string
  text: string | null
  error: { code: string; message: string } | null
  usage: { input_tokens: number; output_tokens: number }
  cost_usd: number
  rounds: number
}

export interface TurnEvent {
  id: string
  event: string
  data: Record<string, unknown>
}

/** The stream of a turn. */
export class TurnStream {
  readonly #events: EventStream
  readonly #leaving: AbortController

  constructor(response: Response, leaving: AbortController) {
    this.#events = new EventStream(response.body!)
    this.#leaving = leaving
  }

  async next(): Promise<TurnEvent> {
    for (;;) {
      const { id, event, data } = await this.#events.next()
      if (data !== undefined) return { id: id!, event: event!, data: JSON.parse(data) as Record<string, unknown> }
    }
  }

  /** The next event of a type; what comes before is dropped. */
  async until(type: string): Promise<TurnEvent> {
    for (;;) {
      const event = await this.next()
      if (event.event === type) return event
      if (event.event === 'done') throw new Error(`the turn has ended before ${type}: ${JSON.stringify(event.data)}`)
    }
  }

  /** Every event until the last. */
  async all(): Promise<TurnEvent[]> {
    const events: TurnEvent[] = []
    do events.push(await this.next())
    while (events.at(-1)!.event !== 'done')
    return events
  }

  /** The client leaves. */
  leave(): void {
    this.#leaving.abort()
  }
}

export interface Settings {
  env?: NodeJS.ProcessEnv
  /** Its data, of an earlier server; default: a new folder. */
  data?: string
  token?: NodeJS.ProcessEnv
}

export class AgentServer {
  readonly process: NodeProcess
  readonly api: StandIn
  readonly data: string
  url = ''
  #owned: string[] = []

  private constructor(process: NodeProcess, api: StandIn, data: string) {
    this.process = process
    this.api = api
    this.data = data
  }

  static async start({ env = {}, data, token = { ANTHROPIC_API_KEY: TOKEN } }: Settings = {}): Promise<AgentServer> {
    const api = await startMessagesApi({ token: Object.values(token)[0] })
    const own = data ?? (await mkdtemp(join(tmpdir(), 'amphis-agents-')))
    const { PATH, HOME, LANG } = globalThis.process.env
    const child = spawn('sh', [join(folder, 'scripts/start.sh')], {
      env: {
        PATH,
        HOME,
        LANG,
        NODE: globalThis.process.execPath,
        PORT: '0',
        DATA_DIR: own,
        ANTHROPIC_BASE_URL: api.url,
        API_KEYS: `${KEY} ${OTHER_KEY}`,
        ALLOWED_TOOLS: '*',
        RETRIES: '3',
        ...token,
        ...env,
      },
    })
    const server = new AgentServer(new NodeProcess(child, 'now'), api, own)
    if (data === undefined) server.#owned.push(own)
    const line = await server.process.printsLine(/Agent server ready: \S+/).catch(async (error: unknown) => {
      await server.close()
      throw error
    })
    server.url = line.split(' ').at(-1)!
    return server
  }

  async close(): Promise<void> {
    this.process.child.kill('SIGTERM')
    await this.process.ends()
    await this.api.close()
    for (const own of this.#owned) await rm(own, { recursive: true, force: true })
  }

  /** Any request, by the first key unless it is told otherwise. */
  async request(
    method: string,
    path: string,
    body?: unknown,
    { key = KEY, headers = {}, signal = null as AbortSignal | null } = {},
  ) {
    return fetch(this.url + path, {
      method,
      headers: {
        ...(key ? { authorization: `Bearer ${key}` } : {}),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      body: body === undefined ? null : JSON.stringify(body),
      signal,
    })
  }

  // oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- the caller knows what is answered
  async json<T>(
    method: string,
    path: string,
    body?: unknown,
    options: { key?: string; headers?: Record<string, string> } = {},
  ) {
    const response = await this.request(method, path, body, options)
    return { status: response.status, headers: response.headers, body: (await response.json()) as T }
  }

  /** A turn as a stream. */
  async stream(
    path: string,
    body: unknown,
    options: { method?: string; headers?: Record<string, string> } = {},
  ): Promise<TurnStream> {
    const leaving = new AbortController()
    const { method = 'POST', headers = {} } = options
    const response = await this.request(method, path, method === 'GET' ? undefined : body, {
      headers: { accept: 'text/event-stream', ...headers },
      signal: leaving.signal,
    })
    if (response.status !== 200) throw new Error(`${response.status} ${await response.text()}`)
    return new TurnStream(response, leaving)
  }

  /** A turn, when it is over. */
  async query(body: object): Promise<Done> {
    return (await this.json<Done>('POST', '/query', body)).body
  }

  async session(body: object = {}): Promise<string> {
    const { status, body: session } = await this.json<{ id: string }>('POST', '/sessions', body)
    if (status !== 201) throw new Error(JSON.stringify(session))
    return session.id
  }

  async history(id: string): Promise<{
    running: boolean
    turns: (Done & {
      id: string
      prompt: string
      events: { id: string; type: string; data: Record<string, unknown> }[]
    })[]
  }> {
    return (await this.json<never>('GET', `/sessions/${id}`)).body
  }
}

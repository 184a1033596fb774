import type { IncomingHttpHeaders } from 'node:http'

/** A response that a prompt asks for: see fixtures/messages-api/script.mjs. */
export interface Step {
  text?: string
  thinking?: string
  tool?: { name: string; input: object } | { name: string; input: object }[]
  status?: number
  times?: number
  retryAfter?: number
  gate?: string
  pause?: number
  breakAfter?: number
  hang?: boolean
  usage?: { input: number; output: number }
}

export interface Asked {
  method: string
  url: string
  headers: IncomingHttpHeaders
  body: { messages: { role: string; content: unknown }[]; model: string; stream?: boolean } | undefined
  state: 'running' | 'done' | 'aborted'
}

/** The stand-in of the Messages API in fixtures/messages-api/. */
export interface StandIn {
  readonly url: string
  readonly requests: Asked[]
  open(gate: string): void
  request(fits: (asked: Asked) => boolean, when?: 'asked' | 'settled'): Promise<Asked>
  close(): Promise<void>
}

/** Starts it on a free port; with a `token` any other is answered by 401. */
export async function startMessagesApi(options: { token?: string } = {}): Promise<StandIn> {
  const url = new URL('../../fixtures/messages-api/server.mjs', import.meta.url)
  const { StandIn } = (await import(url.href)) as {
    StandIn: { start(options: { token?: string }): Promise<StandIn> }
  }
  return StandIn.start(options)
}

/** A prompt with the script of what is answered to it. */
export const scripted = (steps: Step[], prompt = 'Go.'): string => `${prompt} <script>${JSON.stringify(steps)}</script>`

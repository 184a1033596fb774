// A turn of Claude Code, by the agent SDK. Its program gets an environment that has nothing of the function's: a token that
// only the proxy of this process knows, folders of its own.
import { query, type SDKMessage } from '@anthropic-ai/claude-agent-sdk'
import { CredentialProxy } from './credential-proxy.mjs'
import { endAll, VARIABLE } from './processes.js'
import { secret } from './secrets.js'

/** What Python says of a turn. */
export interface Task {
  readonly prompt: string
  /** Of the agent's conversation, a UUID. */
  readonly conversation: string
  /** Whether there is a conversation to be gone on with. */
  readonly isKnown: boolean
  /** Holds `config` and `work`. */
  readonly folder: string
  readonly tools: string[]
  readonly model: string | null
  readonly rounds: number
  /** Whether pieces of messages are wanted as well. */
  readonly partial: boolean
}

let proxy: Promise<CredentialProxy> | undefined

function startProxy(apiKey: string): Promise<CredentialProxy> {
  proxy ??= CredentialProxy.start({ credential: { apiKey }, upstream: process.env['ANTHROPIC_BASE_URL'] || undefined })
  return proxy
}

/** One turn: `messages()` gives what the SDK says, as it comes. */
export class Turn {
  readonly #task: Task
  readonly #aborting = new AbortController()

  constructor(task: Task) {
    this.#task = task
  }

  async *messages(): AsyncGenerator<SDKMessage> {
    const { prompt, conversation, isKnown, folder, tools, model, rounds, partial } = this.#task
    const apiKey = secret('ANTHROPIC_API_KEY')
    if (apiKey === undefined) throw new Error('ANTHROPIC_API_KEY is not set')
    const { env, release } = (await startProxy(apiKey)).admit()
    const { PATH, LANG } = process.env
    try {
      yield* query({
        prompt,
        options: {
          cwd: `${folder}/work`,
          env: {
            ...env,
            PATH,
            ...(LANG !== undefined && { LANG }),
            HOME: `${folder}/work`,
            TMPDIR: `${folder}/tmp`,
            CLAUDE_CONFIG_DIR: `${folder}/config`,
            CLAUDE_CODE_MAX_RETRIES: process.env['AGENT_RETRIES'] || '3',
            CLAUDE_AGENT_SDK_CLIENT_APP: 'agent-lambda/1.0',
            DISABLE_AUTOUPDATER: '1',
            [VARIABLE]: conversation,
          },
          ...(isKnown ? { resume: conversation } : { sessionId: conversation }),
          ...(model !== null && { model }),
          // What is in no list the agent does not have, and what it has needs no question.
          tools,
          allowedTools: tools,
          permissionMode: 'dontAsk',
          settingSources: [],
          strictMcpConfig: true,
          maxTurns: rounds,
          includePartialMessages: partial,
          abortController: this.#aborting,
        },
      })
    } finally {
      release()
    }
  }

  /** Ends it, and all that it has started. */
  async end(): Promise<void> {
    this.#aborting.abort()
    await endAll(this.#task.conversation)
  }
}

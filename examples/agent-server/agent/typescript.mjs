// A turn of an agent by the TypeScript SDK, for the Python half, which says what may be done: it is called for each tool
// that the agent wants to use, and for each call of the server's own tools.
import { query } from '@anthropic-ai/claude-agent-sdk'
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { CallToolRequestSchema, ListToolsRequestSchema } from '@modelcontextprotocol/sdk/types.js'

/**
 * @typedef {object} Tool
 * @property {string} name
 * @property {string} description
 * @property {object} schema of its arguments, as JSON Schema
 */

/**
 * A server of the Model Context Protocol, within this process, for tools that are functions of either language.
 *
 * @param {Tool[]} tools
 * @param {(name: string, args: object) => Promise<string>} call
 */
function toolServer(tools, call) {
  const instance = new McpServer({ name: 'custom', version: '1.0.0' }, { capabilities: { tools: {} } })
  instance.server.setRequestHandler(ListToolsRequestSchema, () => ({
    tools: tools.map(({ name, description, schema }) => ({ name, description, inputSchema: schema })),
  }))
  instance.server.setRequestHandler(CallToolRequestSchema, async ({ params }) => {
    try {
      return { content: [{ type: 'text', text: await call(params.name, params.arguments ?? {}) }] }
    } catch (error) {
      return { content: [{ type: 'text', text: error.message }], isError: true }
    }
  })
  return { type: 'sdk', name: 'custom', instance }
}

/** One turn: `messages()` gives what the SDK says, as it comes. */
export class Turn {
  #query
  #aborting = new AbortController()
  #finish = () => {}

  /**
   * @param {string} prompt
   * @param {object} options of the SDK, those that are data
   * @param {Tool[]} tools
   * @param {(tool: string, input: object) => Promise<{ allow: boolean, reason: string }>} decide
   * @param {(name: string, args: object) => Promise<string>} call
   */
  constructor(prompt, options, tools, decide, call) {
    const hook = async (input) => {
      const { allow, reason } = await decide(input.tool_name, input.tool_input)
      return {
        hookSpecificOutput: {
          hookEventName: 'PreToolUse',
          permissionDecision: allow ? 'allow' : 'deny',
          permissionDecisionReason: reason,
        },
      }
    }
    const { hookTimeout, ...others } = options
    const asked = { type: 'user', message: { role: 'user', content: prompt }, parent_tool_use_id: null }
    const finished = new Promise((resolve) => (this.#finish = resolve))
    this.#query = query({
      // Open until the answer is there: hooks and tools are answered over it.
      prompt: (async function* prompts() {
        yield asked
        await finished
      })(),
      options: {
        ...others,
        abortController: this.#aborting,
        hooks: { PreToolUse: [{ hooks: [hook], timeout: hookTimeout, onFailure: 'block' }] },
        // What the hook has let through does not come here.
        canUseTool: async () => ({ behavior: 'deny', message: 'not allowed' }),
        mcpServers: tools.length > 0 ? { custom: toolServer(tools, call) } : {},
        stderr: () => {},
      },
    })
  }

  async *messages() {
    try {
      for await (const message of this.#query) {
        yield { ...message, received: performance.timeOrigin + performance.now() }
        if (message.type === 'result') return
      }
    } finally {
      this.#finish()
    }
  }

  async interrupt() {
    await this.#query.interrupt()
  }

  /** Ends it at once. */
  abort() {
    this.#finish()
    this.#aborting.abort()
  }
}

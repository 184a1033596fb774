// Keeps the token of the Messages API from the agent. An agent's program runs commands that a model thinks of, and can
// read whatever its user can; so it is given a token that is worth nothing elsewhere and the address of this proxy, which
// listens on the loopback interface, knows that token, and puts the real one in its place. It forwards to one host and
// to the few paths that an agent needs.
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { Agent as HttpAgent, createServer, request as httpRequest } from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'

/**
 * What the real API is asked with: `apiKey` (`sk-ant-api03-…`) or `oauthToken` (`sk-ant-oat01-…`).
 *
 * @typedef {{ apiKey: string, oauthToken?: undefined } | { oauthToken: string, apiKey?: undefined }} Credential
 */

/**
 * An agent that may ask.
 *
 * @typedef {object} Admission
 * @property {string} token stands in for the real one, for this agent only
 * @property {Record<string, string>} env what the agent's program needs to know
 * @property {() => void} release ends what the agent asks, and refuses it from now on
 */

const PATHS = new Set(['POST /v1/messages', 'POST /v1/messages/count_tokens', 'GET /v1/models'])
/** About one connection, or about who asks. */
const NOT_FORWARDED = new Set(
  'authorization x-api-key cookie host forwarded x-forwarded-for proxy-authorization connection keep-alive transfer-encoding upgrade te trailer expect'.split(
    ' ',
  ),
)
const NOT_RETURNED = new Set(['connection', 'keep-alive', 'transfer-encoding', 'set-cookie', 'location'])
/** What the API wants to be told where a token of a subscription asks. */
const OAUTH_BETA = 'oauth-2025-04-20'

/** The proxy; `await CredentialProxy.start(…)` makes one. */
export class CredentialProxy {
  #upstream
  /** The headers that carry the token. @type {() => Record<string, string>} */
  #credential
  /** The requests under way of each agent, by its token. @type {Map<string, Set<AbortController>>} */
  #admitted = new Map()
  #agent
  #server = createServer((req, res) => this.#answer(req, res))

  /**
   * @param {Credential} credential
   * @param {string} upstream
   */
  constructor(credential, upstream) {
    this.#upstream = new URL(upstream)
    const { apiKey, oauthToken } = credential
    // In a closure: neither a property nor what `console.log` shows of this object has it.
    this.#credential = () =>
      apiKey === undefined ? { authorization: `Bearer ${oauthToken}` } : { 'x-api-key': apiKey }
    this.#agent = new (this.#upstream.protocol === 'https:' ? HttpsAgent : HttpAgent)({ keepAlive: true })
  }

  /**
   * Listens on a free port of the loopback interface.
   *
   * @param {object} options
   * @param {Credential} options.credential
   * @param {string} [options.upstream] default: `https://api.anthropic.com`
   */
  static async start({ credential, upstream = 'https://api.anthropic.com' }) {
    const proxy = new CredentialProxy(credential, upstream)
    proxy.#server.listen(0, '127.0.0.1')
    await once(proxy.#server, 'listening')
    // It answers while the server runs, and does not keep it running.
    proxy.#server.unref()
    return proxy
  }

  get url() {
    const { port } = this.#server.address()
    return `http://127.0.0.1:${port}`
  }

  /** @returns {Admission} */
  admit() {
    const token = `stand-in-${randomBytes(24).toString('base64url')}`
    this.#admitted.set(token, new Set())
    return {
      token,
      env: {
        ANTHROPIC_BASE_URL: this.url,
        ANTHROPIC_AUTH_TOKEN: token,
        // Everything that is not the Messages API would go past the proxy.
        CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
      },
      release: () => {
        for (const request of this.#admitted.get(token) ?? []) request.abort()
        this.#admitted.delete(token)
      },
    }
  }

  async close() {
    for (const requests of this.#admitted.values()) for (const request of requests) request.abort()
    this.#admitted.clear()
    const closed = once(this.#server, 'close')
    this.#server.close()
    this.#server.closeAllConnections()
    this.#agent.destroy()
    await closed
  }

  /**
   * @param {import('node:http').IncomingMessage} req
   * @param {import('node:http').ServerResponse} res
   */
  #answer(req, res) {
    const { method = '', url = '', headers } = req
    const path = url.split('?')[0] ?? ''
    // Asked before anything else, to see whether there is a network: it tells nothing.
    if (path === '/api/hello') {
      res.writeHead(200).end()
      return
    }
    const requests = this.#admitted.get(tokenOf(headers) ?? '')
    if (!requests) {
      refuse(res, 401, 'authentication_error', 'the token is none of this proxy')
      return
    }
    if (!PATHS.has(`${method} ${path}`)) {
      refuse(res, 404, 'not_found_error', `${method} ${path} is not forwarded`)
      return
    }
    const aborting = new AbortController()
    requests.add(aborting)
    res.once('close', () => {
      requests.delete(aborting)
      aborting.abort()
    })
    this.#forward(req, res, aborting.signal)
  }

  /**
   * @param {import('node:http').IncomingMessage} req
   * @param {import('node:http').ServerResponse} res
   * @param {AbortSignal} signal
   */
  #forward(req, res, signal) {
    const send = this.#upstream.protocol === 'https:' ? httpsRequest : httpRequest
    const base = this.#upstream.pathname.replace(/\/$/, '')
    const headers = { ...without(req.headers, NOT_FORWARDED), ...this.#credential() }
    if ('authorization' in headers) headers['anthropic-beta'] = withBeta(req.headers['anthropic-beta'])
    const { protocol, hostname, port } = this.#upstream
    const path = `${base}${req.url}`
    const asked = send({ protocol, hostname, port, path, method: req.method, headers, agent: this.#agent, signal })
    asked.once('response', (answer) => {
      res.writeHead(answer.statusCode ?? 502, without(answer.headers, NOT_RETURNED))
      // A stream that breaks above breaks here as well: an end would pass it for whole.
      answer.once('error', () => res.socket?.destroySoon())
      answer.pipe(res)
    })
    asked.once('error', (error) => {
      if (signal.aborted) res.destroy()
      if (signal.aborted || res.headersSent) return
      refuse(res, 502, 'api_error', `the Messages API cannot be reached (${error.code ?? error.message})`)
    })
    req.pipe(asked)
  }
}

/** @param {import('node:http').IncomingHttpHeaders} headers */
function tokenOf({ authorization, 'x-api-key': key }) {
  return typeof key === 'string' ? key : /^Bearer (.+)$/i.exec(authorization ?? '')?.[1]
}

/**
 * @param {import('node:http').IncomingHttpHeaders} headers
 * @param {Set<string>} names
 * @returns {Record<string, string | string[] | undefined>}
 */
function without(headers, names) {
  const named = new Set((headers.connection ?? '').split(',').map((name) => name.trim().toLowerCase()))
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !names.has(name) && !named.has(name)))
}

/** @param {string | string[] | undefined} betas */
const withBeta = (betas) => [...new Set([...[betas ?? []].flat(), OAUTH_BETA])].join(',')

/**
 * @param {import('node:http').ServerResponse} res
 * @param {number} status
 * @param {string} type
 * @param {string} message
 */
function refuse(res, status, type, message) {
  res.writeHead(status, { 'content-type': 'application/json', connection: 'close' })
  res.end(JSON.stringify({ type: 'error', error: { type, message } }))
}

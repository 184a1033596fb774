// `python.mount`: middleware that knows where it is mounted, whatever its host says of that.
import type { IncomingMessage, ServerResponse } from 'node:http'
import { wrongArgument } from '../base/errors.js'
import { kindOf } from '../base/shown.js'
import type { MountPath } from '../wire/mount-path.js'
import type { Middleware, Next } from './listener.js'

/** A request, with what hosts put on it. */
interface MountedRequest extends IncomingMessage {
  baseUrl?: unknown
  originalUrl?: unknown
}

const PREFIX = /^(?:\/[^/?#\s*:{}()]+)*\/?$/

/**
 * A prefix without the slash at its end.
 *
 * @throws {AmphisError} `AMPHIS_ERR_INVALID_OPTIONS`
 */
export function prefixOf(path: unknown): string {
  if (typeof path !== 'string' || !PREFIX.test(path)) {
    throw wrongArgument(
      'AMPHIS_ERR_INVALID_OPTIONS',
      `mount takes the path that the app is at, without a wildcard: python.mount('/api'); but it is ` +
        `${typeof path === 'string' ? JSON.stringify(path) : kindOf(path)}.`,
    )
  }
  return path.endsWith('/') ? path.slice(0, -1) : path
}

/** Middleware for what is below a prefix; the rest goes to `next`. */
export function createMount(middleware: Middleware, prefix: string): Middleware {
  // Of three parameters: h3 and others count them.
  const mounted = (request: MountedRequest, response: ServerResponse, next: Next | undefined): void | Promise<void> => {
    const answer = (): void | Promise<void> =>
      next === undefined ? middleware(request, response) : middleware(request, response, next)
    if (typeof request?.url !== 'string') {
      // It says what is wrong with its arguments.
      return answer()
    }
    const place = placeOf(request, prefix)
    if (place === undefined) {
      if (next === undefined) {
        response.writeHead(404, { 'content-type': 'text/plain; charset=utf-8' }).end('Not Found')
        return Promise.resolve()
      }
      next()
      return undefined
    }
    const { baseUrl, url } = request
    // It is read at once: whoever looks at the request later finds it as it was.
    Object.assign(request, { baseUrl: place.prefix, url: place.url })
    try {
      return answer()
    } finally {
      Object.assign(request, { baseUrl, url })
    }
  }
  return mounted as Middleware
}

/**
 * Where a request is. Its host may have left the URL whole, or cut the prefix off (and say so by `baseUrl`, or only keep
 * the whole as `originalUrl`), or taken more for the prefix than that, as Express does with wildcards. `undefined` for what
 * is not below the prefix. Hosts find routes whatever the case of their letters; the app sees what was asked.
 */
export function placeOf(request: MountedRequest, prefix: string): MountPath | undefined {
  const { baseUrl } = request
  const given = request.url ?? '/'
  const url = given.startsWith('/') ? given : `/${given}`
  const original = typeof request.originalUrl === 'string' ? request.originalUrl : undefined
  if (typeof baseUrl === 'string' && baseUrl !== '') {
    const place = cut(wholeOf(baseUrl, url, original), prefix)
    return place ?? (endsWith(baseUrl, prefix) ? { prefix: baseUrl, url } : undefined)
  }
  if (original !== undefined && (endsWith(original, prefix + url) || endsWith(original, prefix + withoutSlash(url)))) {
    return { prefix: asAsked(original, prefix, url), url }
  }
  return cut(url, prefix) ?? (original === undefined || original === url ? undefined : { prefix, url })
}

/** What Express has split. It adds a slash where a wildcard has taken all there was. */
function wholeOf(baseUrl: string, url: string, original: string | undefined): string {
  const isAdded = /^\/(?:\?|$)/.test(url) && original?.split('?', 1)[0] === baseUrl
  return baseUrl + (isAdded ? withoutSlash(url) : url)
}

function cut(whole: string, prefix: string): MountPath | undefined {
  const rest = whole.slice(prefix.length)
  const isBelow = endsWith(whole.slice(0, prefix.length), prefix) && /^(?:[/?]|$)/.test(rest)
  return isBelow ? { prefix: whole.slice(0, prefix.length), url: rest.startsWith('/') ? rest : `/${rest}` } : undefined
}

/** The prefix in the letters of the client. */
function asAsked(original: string, prefix: string, url: string): string {
  const end = original.length - (endsWith(original, prefix + url) ? url : withoutSlash(url)).length
  return original.slice(end - prefix.length, end)
}

function withoutSlash(url: string): string {
  return /^\/(?:\?|$)/.test(url) ? url.slice(1) : url
}

function endsWith(text: string, end: string): boolean {
  return text.length >= end.length && text.slice(text.length - end.length).toLowerCase() === end.toLowerCase()
}

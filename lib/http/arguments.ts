// What `listener` and `middleware` are called with, where it is not what they take.
import { wrongArgument } from '../base/errors.js'
import { kindOf } from '../base/shown.js'

/**
 * Refuses what is no request and response of `node:http`: a call by mistake, and the arguments of other frameworks.
 *
 * @throws {AmphisError} `AMPHIS_ERR_INVALID_OPTIONS`, a `TypeError`
 */
export function checkArguments(
  how: 'listener' | 'middleware',
  request: unknown,
  response: unknown,
  next?: unknown,
): void {
  const isResponse = typeof (response as { writeHead?: unknown } | undefined | null)?.writeHead === 'function'
  if (!isResponse || typeof request !== 'object' || request === null) {
    throw wrongArgument('AMPHIS_ERR_INVALID_OPTIONS', messageOf(how, request, response))
  }
  if (next !== undefined && typeof next !== 'function') {
    throw wrongArgument(
      'AMPHIS_ERR_INVALID_OPTIONS',
      `The third argument of middleware is the next of Express and Connect, a function, but it is ${kindOf(next)}.`,
    )
  }
}

const USES = {
  listener: 'createServer(python.listener)',
  middleware: "app.use('/api', python.middleware)",
}

function messageOf(how: 'listener' | 'middleware', request: unknown, response: unknown): string {
  if (request === undefined) {
    return `python.${how} is the ${how} itself, and is not called to get one: ${USES[how]}, without parentheses.`
  }
  return (
    `python.${how} takes a request and a response of node:http, but these are ${kindOf(request)} and ${kindOf(response)}. ` +
    `In Koa write python.listener(ctx.req, ctx.res), in Fastify python.listener(request.raw, reply.raw), in h3 ` +
    'fromNodeMiddleware(python.listener); a Request is for python.handle(request).'
  )
}

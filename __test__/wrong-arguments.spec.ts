import { EventEmitter } from 'node:events'
import { createServer, type Server } from 'node:http'
import { createServer as createHttp2Server } from 'node:http2'
import { createServer as createNetServer } from 'node:net'
import { inspect } from 'node:util'
import test from 'ava'
import connect from 'connect'
import express from 'express'
import Koa from 'koa'
import { WebSocketServer } from 'ws'
import { AmphisError, PythonHandler } from '../index.js'
import { express4 } from './helpers/hosts.js'

// What is called by mistake, or with what is for somebody else, says so at once, and what to write. No Python starts.

const python = new PythonHandler({ app: 'nowhere:app', appDir: '/nowhere', python: '/nowhere' })
test.after.always(() => python.close())

type Call = (...values: unknown[]) => unknown
const loose = python as unknown as Record<'listener' | 'middleware' | 'upgrade' | 'attach', Call>

const noop = () => {}
const koa = { req: {}, res: {}, headers: {} }
const wrong: [string, unknown[], RegExp][] = [
  ['nothing', [], /without parentheses/],
  ['a path', ['/api'], /a string/],
  ['options', [{ path: '/api' }], /of type Object/],
  ['a context of Koa and its next', [koa, noop], /ctx\.req, ctx\.res/],
  ['a request and a reply of Fastify', [{ raw: {} }, { raw: {}, send: noop }], /request\.raw, reply\.raw/],
  ['a Request', [new Request('http://localhost/')], /python\.handle\(request\)/],
  ['null', [null, null], /null/],
]

for (const how of ['listener', 'middleware'] as const) {
  for (const [what, values, expected] of wrong) {
    test(`${how} called with ${what}`, (t) => {
      const error = t.throws(() => loose[how](...values), { code: 'AMPHIS_ERR_INVALID_OPTIONS' })
      t.true(error instanceof TypeError && error instanceof AmphisError)
      t.regex(error?.message ?? '', expected)
      t.true(error?.message.includes(`python.${how}`), error?.message)
    })
  }
}

test('middleware called with a next that is none', (t) => {
  const response = { writeHead: noop }
  for (const next of ['next', {}, null, 1]) {
    t.throws(() => loose.middleware({}, response, next), { instanceOf: TypeError, message: /next/ }, inspect(next))
  }
})

for (const [what, values, expected] of [
  ['nothing', [], /without parentheses/],
  ['a server', [createServer()], /python\.attach\(server\)/],
  ['a request alone', [{ headers: {} }], /socket/],
  ['no head', [{ headers: {} }, new EventEmitter()], /head/],
  ['a response', [{ headers: {} }, { writeHead: noop, on: noop }, noop], /head/],
  ['a path', ['/api'], /a string/],
] as [string, unknown[], RegExp][]) {
  test(`upgrade called with ${what}`, (t) => {
    const error = t.throws(() => loose.upgrade(...values), { code: 'AMPHIS_ERR_INVALID_OPTIONS' })
    t.true(error instanceof TypeError && error instanceof AmphisError)
    t.regex(error?.message ?? '', expected)
  })
}

const fastify = { server: createServer(), listen: noop, addresses: noop }
const nest = { getHttpServer: noop, listen: noop }
const notServers: [string, unknown, RegExp][] = [
  ['nothing', undefined, /undefined/],
  ['null, as Vite’s httpServer in middleware mode', null, /null/],
  ['an app of Express 5', express(), /app\.listen\(/],
  ['an app of Express 4', express4(), /app\.listen\(/],
  ['an app of Connect', connect(), /app\.listen\(/],
  ['an app of Koa', new Koa(), /app\.listen\(/],
  ['an instance of Fastify', fastify, /fastify\.server/],
  ['an application of Nest', nest, /app\.getHttpServer\(\)/],
  ['a path', '/api', /a string/],
  ['an emitter', new EventEmitter(), /EventEmitter/],
  ['a server of TCP', createNetServer(), /node:http/],
  ['a WebSocketServer of ws', new WebSocketServer({ noServer: true }), /node:http/],
  ['a handler', new PythonHandler('main:app'), /attach needs a server/],
]
for (const [what, value, expected] of notServers) {
  test(`attach() to ${what}`, (t) => {
    for (const rest of [[], [{ path: '/api' }]]) {
      const error = t.throws(() => loose.attach(value, ...rest), { code: 'AMPHIS_ERR_INVALID_OPTIONS' })
      t.true(error instanceof TypeError && error instanceof AmphisError)
      t.regex(error?.message ?? '', expected)
    }
  })
}

for (const [what, make] of [
  ['node:http', () => createServer()],
  ['node:http2', () => createHttp2Server()],
] as const) {
  for (const [options, expected] of [
    ['/api', /attach\(server, \{ path: '\/api' \}\)/],
    [['/api'], /\{ path: '\/api' \}/],
    [null, /null/],
    [5, /a number/],
    [true, /a boolean/],
    [() => {}, /a function/],
    [createServer(), /Server/],
    [{ prefix: '/api' }, /prefix/],
    [{ path: 5 }, /path/],
    [{ path: null }, /path/],
  ] as [unknown, RegExp][]) {
    test(`attach() to a server of ${what} with ${inspect(options, { depth: 0 })}`, (t) => {
      const server = make() as Server
      const error = t.throws(() => loose.attach(server, options), { code: 'AMPHIS_ERR_INVALID_OPTIONS' })
      t.regex(error?.message ?? '', expected)
      t.is(server.listenerCount('upgrade'), 0)
    })
  }
}

test('createServer() of something that is no handler', async (t) => {
  const { createServer: createPythonServer } = await import('../index.js')
  for (const value of [undefined, 'main:app', python.listener, {}]) {
    t.throws(() => createPythonServer(value as never), { code: 'AMPHIS_ERR_INVALID_OPTIONS' })
  }
})

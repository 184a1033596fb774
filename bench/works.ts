import { smallFiles } from './harness/small-file.js'

/** What is asked of every contestant, and the one answer that counts as right. */
export interface Work {
  readonly title: string
  /** Folder under `apps/` whose `main:app` does the work. */
  readonly app: AppName
  readonly method: 'GET' | 'POST'
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string
  readonly answer: Answer
}

export type AppName = 'raw' | 'starlette' | 'fastapi' | 'flask'

export interface Answer {
  readonly status: number
  readonly contentType: string
  /** Latin-1: a character is a byte. */
  readonly body: string
}

const json = 'application/json'
const helloAnswer: Answer = { status: 200, contentType: 'text/plain', body: 'Hello, World!' }

const get = (title: string, app: AppName, path: string, answer: Answer = helloAnswer): Work => ({
  ...{ title, app, method: 'GET', path, headers: {}, answer },
})

const echo = (kibibytes: number): Work => {
  const body = document(kibibytes * 1024)
  return {
    title: `JSON echo of ${kibibytes} KiB (Starlette)`,
    app: 'starlette',
    method: 'POST',
    path: '/echo',
    headers: { 'content-type': json },
    body,
    answer: { status: 200, contentType: json, body },
  }
}

const fileAnswer = (name: keyof typeof smallFiles): Answer => ({
  status: 200,
  contentType: 'application/octet-stream',
  body: smallFiles[name].toString('latin1'),
})
const staticFile = fileAnswer('64-kib.bin')
const tinyFile = fileAnswer('10-kib.bin')

export const works = {
  hello: get('hello world (raw ASGI)', 'raw', '/'),
  starlette: get('hello world (Starlette)', 'starlette', '/'),
  fastapi: {
    title: 'FastAPI, JSON validated in and out',
    app: 'fastapi',
    method: 'POST',
    path: '/items/7',
    headers: { 'content-type': json },
    body: '{"name":"lamp","price":20.5,"quantity":3,"tags":["light","desk"]}',
    answer: {
      status: 200,
      contentType: json,
      body: '{"name":"lamp","price":20.5,"quantity":3,"tags":["light","desk"],"id":7,"total":61.5}',
    },
  },
  'fastapi-get': get('FastAPI, validated path and query, JSON out', 'fastapi', '/items/7?quantity=3', {
    status: 200,
    contentType: json,
    body: '{"name":"lamp","price":20.5,"quantity":3,"tags":[],"id":7,"total":61.5}',
  }),
  'fastapi-await': get('FastAPI, validated path and query, JSON out after 10 ms', 'fastapi', '/await/7?quantity=3', {
    status: 200,
    contentType: json,
    body: '{"name":"lamp","price":20.5,"quantity":3,"tags":[],"id":7,"total":61.5}',
  }),
  'fastapi-sync': get('FastAPI, a sync def endpoint in its thread pool', 'fastapi', '/sync/7', {
    status: 200,
    contentType: json,
    body: '{"id":7}',
  }),
  'wsgi-flask': get('Flask, a typed path, JSON out', 'flask', '/items/7', {
    status: 200,
    contentType: json,
    // Flask ends its JSON with a line break.
    body: '{"id":7}\n',
  }),
  'echo-1k': echo(1),
  'echo-16k': echo(16),
  'echo-256k': echo(256),
  'await-10ms': get('an app that awaits 10 ms (raw ASGI)', 'raw', '/await'),
  pathsend: get('a static file of 64 KiB', 'raw', '/static/64-kib.bin', staticFile),
  static: get('a static file of 64 KiB', 'starlette', '/static/64-kib.bin', staticFile),
  'pathsend-10k': get('a file of 10 KiB', 'raw', '/static/10-kib.bin', tinyFile),
  'static-10k': get('a file of 10 KiB', 'starlette', '/static/10-kib.bin', tinyFile),
  'file-10k': get('a file of 10 KiB', 'starlette', '/file/10-kib.bin', tinyFile),
} satisfies Record<string, Work>

export type WorkName = keyof typeof works

/** What shows that an app answers, for figures that compare apps. */
export const workOfApp: Readonly<Record<AppName, Work>> = {
  raw: works.hello,
  starlette: works.starlette,
  fastapi: works['fastapi-get'],
  flask: works['wsgi-flask'],
}

/** JSON of so many bytes, as Python and JavaScript both write it when they have read it. */
function document(bytes: number): string {
  const items: unknown[] = []
  const filled = (filling: string) => JSON.stringify({ items, filling })
  for (let id = 1; ; id++) {
    items.push({ id, name: `lamp ${id}`, price: 20.5, tags: ['light', 'desk'], available: true, note: null })
    if (filled('').length > bytes) {
      items.pop()
      return filled('x'.repeat(bytes - filled('').length))
    }
  }
}

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

export type AppName = 'raw' | 'fastapi'

export interface Answer {
  readonly status: number
  readonly contentType: string
  readonly body: string
}

const json = 'application/json'

export const works = {
  hello: {
    title: 'hello world (raw ASGI)',
    app: 'raw',
    method: 'GET',
    path: '/',
    headers: {},
    answer: { status: 200, contentType: 'text/plain', body: 'Hello, World!' },
  },
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
  'fastapi-get': {
    title: 'FastAPI, validated path and query, JSON out',
    app: 'fastapi',
    method: 'GET',
    path: '/items/7?quantity=3',
    headers: {},
    answer: {
      status: 200,
      contentType: json,
      body: '{"name":"lamp","price":20.5,"quantity":3,"tags":[],"id":7,"total":61.5}',
    },
  },
} satisfies Record<string, Work>

export type WorkName = keyof typeof works

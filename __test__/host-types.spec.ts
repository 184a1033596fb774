import test from 'ava'
import { checkHostTypes } from './helpers/host-types.js'

// The types of `PythonHandler` and of each adapter, against the frameworks' own: what is right compiles, and each
// `@ts-expect-error` is an error. Next.js and h3 2, whose packages `npm test` does not install: `hosts/types.host.ts`.

for (const [name, packages, host] of [
  ['express', ['express', '@types/express', 'connect', '@types/connect']],
  ['fastify', ['fastify'], 'fastify'],
  // Koa's types are with the repository's own.
  ['koa', ['koa', '@types/koa', 'koa-mount', '@types/koa-mount']],
  ['hono', ['hono', '@hono/node-server'], 'hono'],
  ['nest', ['@nestjs/common', 'reflect-metadata', 'rxjs'], 'nest'],
  ['vite', ['vite'], 'vite'],
  ['h3', ['h3']],
] as const satisfies [string, string[], string?][]) {
  test.serial(name, async (t) => {
    t.is(await checkHostTypes(t, name, packages, host), '')
  })
}

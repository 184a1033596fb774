export * from '../dist/hono.cjs'

export * from '../dist/koa.cjs'

export * from '../dist/fastify.cjs'

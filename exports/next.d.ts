export * from '../dist/next.cjs'

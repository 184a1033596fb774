export * from '../dist/nest.cjs'

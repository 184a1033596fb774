export * from '../dist/config.cjs'

export * from '../dist/modules.cjs'

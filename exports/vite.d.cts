export * from '../dist/vite.cjs'

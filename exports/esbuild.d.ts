export * from '../dist/esbuild.cjs'

// First: it is evaluated before the rest, which an old Node.js does not understand.
import './node-version.cjs'
export * from './dist/index.js'

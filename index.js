// First: it is evaluated before the rest, which an old Node.js does not understand.
import './exports/node-version.cjs'
export * from './dist/index.js'

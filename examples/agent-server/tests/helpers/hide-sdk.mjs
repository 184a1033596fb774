// As if the TypeScript SDK were not installed: for tests of what the server says then.
import { register } from 'node:module'

const hooks = `export const resolve = (name, context, next) => {
  if (name.startsWith('@anthropic-ai/')) throw new Error(\`Cannot find package '\${name}'\`)
  return next(name, context)
}`
register(`data:text/javascript,${encodeURIComponent(hooks)}`)

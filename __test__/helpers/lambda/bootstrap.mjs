// Starts a runtime client for a handler: `node bootstrap.mjs FILE#EXPORT`, with AWS_LAMBDA_RUNTIME_API.
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { ask, described, serve } from './runtime.mjs'

const api = process.env.AWS_LAMBDA_RUNTIME_API ?? ''

async function load() {
  const [file, name] = process.argv[2].split('#')
  return (await import(pathToFileURL(resolve(file)).href))[name]
}

let handler
try {
  handler = await load()
} catch (error) {
  console.error(error)
  await ask(api, 'POST', '/init/error', described(error))
  process.exit(1)
}

await serve(api, handler)

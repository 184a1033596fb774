// The types of a document, by a package of the user's.
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { ServeError } from '../errors/serve-error.js'

interface OpenapiTypescript {
  default(document: unknown): Promise<unknown>
  astToString(ast: unknown): string
}

const HEAD = '// Written by `amphis openapi`: what is changed here is lost.\n/* eslint-disable */\n\n'

/**
 * @param document as JSON
 * @throws {ServeError} where the package is not installed, or refuses the document
 */
export async function typesOf(document: string): Promise<string> {
  const { default: make, astToString } = await load()
  try {
    return HEAD + astToString(await make(JSON.parse(document)))
  } catch (error) {
    throw new ServeError(`openapi-typescript refuses the document: ${(error as Error).message}`, { cause: error })
  }
}

async function load(): Promise<OpenapiTypescript> {
  const { resolve } = createRequire(join(process.cwd(), 'package.json'))
  let entry: string
  try {
    entry = resolve('openapi-typescript')
  } catch (error) {
    throw new ServeError(
      '--types needs the package openapi-typescript, which is not installed here: ' +
        'npm install --save-dev openapi-typescript typescript@5',
      { cause: error },
    )
  }
  const loaded = (await import(pathToFileURL(entry).href)) as OpenapiTypescript | { default: OpenapiTypescript }
  // What is resolved is its file for `require`, all of which is then what it gives by default.
  return 'default' in loaded.default ? loaded.default : (loaded as OpenapiTypescript)
}

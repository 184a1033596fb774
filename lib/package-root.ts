// Where the package and its programs are, and what of it is required by name.
import { createRequire } from 'node:module'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { AmphisError } from './base/errors.js'
import { bundlerOf } from './bundler.js'

// esbuild leaves nothing of it in what it makes for CommonJS.
const here = import.meta.url as string | undefined

/**
 * The folder of this package. The one place that knows where its own file is: modules end up in files of other names and
 * folders than theirs when `lib/` is bundled. Not written as webpack takes for the name of an asset.
 */
export const packageRoot = new URL('../', here ?? pathToFileURL(`${process.cwd()}/`))

/** The path of a program of this package, by its path in `lib/` without extension. */
export function programOf(path: string): string {
  return fileURLToPath(new URL(`dist/${path}.js`, packageRoot))
}

/** The path of a program in Python of this package, which Python runs as a folder. */
export function pythonProgramOf(name: string): string {
  return fileURLToPath(new URL(`python/${name}`, packageRoot))
}

/** What the package says of itself. */
export interface Manifest {
  readonly name: string
  readonly version: string
}

let manifest: Manifest | undefined

/** @throws {AmphisError} `AMPHIS_ERR_BINDING` where the package was bundled into something */
export function ownManifest(): Manifest {
  return (manifest ??= readManifest())
}

function readManifest(): Manifest {
  let found: Manifest | undefined
  if (here !== undefined) {
    const require = createRequire(here)
    try {
      found = require('../package.json') as Manifest
    } catch {
      // Nothing is there.
    }
  }
  if (found?.name !== 'amphis') {
    throw bundled()
  }
  return found
}

function bundled(): AmphisError {
  const { name, remedy } = bundlerOf(here)
  return new AmphisError(
    'AMPHIS_ERR_BINDING',
    `amphis was bundled by ${name}, and its native addon cannot be found from there. Leave it out: ${remedy}.`,
  )
}

/**
 * The addon and what loads it, by names that tools can follow which look for what a program needs (`@vercel/nft`). Webpack,
 * which would take the addon for a source, only follows where it can tell from which file.
 */
export function requireAddon(): unknown {
  const require = createRequire(here!)
  return require('../binding.cjs')
}

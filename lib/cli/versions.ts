// What `--version` prints.
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { AmphisError } from '../base/errors.js'
import { packageRoot } from '../package-root.js'
import { discoverPython } from '../python/discover.js'
import { ServeError } from './errors/serve-error.js'
import { UsageError } from './errors/usage-error.js'
import type { Settings } from './options/configuration.js'

function ownVersion(): string {
  const manifest = readFileSync(new URL('package.json', packageRoot), 'utf8')
  return (JSON.parse(manifest) as { version: string }).version
}

async function pythonLines(settings: Promise<Settings>): Promise<string[]> {
  try {
    const { options } = await settings
    const { version, executable, libpython } = await discoverPython({
      appDir: resolve(options['app-dir']),
      python: options.python,
    })
    return [`Python ${version.join('.')}  ${executable}`, `libpython  ${libpython}`]
  } catch (error) {
    // The versions are what one is asked for when this very thing does not work.
    if (!(error instanceof AmphisError || error instanceof UsageError || error instanceof ServeError)) throw error
    return [`Python not usable: ${error.message}`]
  }
}

/** What takes part in serving, with its versions and places; starts no Python. */
export async function describeVersions(settings: Promise<Settings>): Promise<string> {
  const node = `Node.js ${process.versions.node}  ${process.platform}-${process.arch}`
  return [`amphis ${ownVersion()}`, node, ...(await pythonLines(settings))].join('\n')
}

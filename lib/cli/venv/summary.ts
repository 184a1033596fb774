// What an environment has, in a line.
import { readdir } from 'node:fs/promises'
import { shown } from '../text/shown.js'
import type { Environment } from './environment.js'
import { sitePackagesOf } from './site-packages.js'

/** Names and versions, from the folders that every installer leaves beside a package. */
async function packagesOf(environment: Environment): Promise<Map<string, string>> {
  const packages = new Map<string, string>()
  for (const entry of await readdir(sitePackagesOf(environment) ?? '').catch(() => [])) {
    const [, name, version] = /^(.+?)-([^-]+)\.(?:dist|egg)-info$/.exec(entry) ?? []
    if (name !== undefined && version !== undefined) packages.set(name.toLowerCase(), version)
  }
  return packages
}

/** `Python 3.12.1, 42 packages, uvloop 0.21.0`, or how to get uvloop. */
export async function contentsOf(environment: Environment): Promise<string> {
  const packages = await packagesOf(environment)
  const count = packages.size === 1 ? '1 package' : `${packages.size} packages`
  const uvloop = packages.get('uvloop')
  const python = shown(environment.executable)
  const add = packages.has('pip') ? `${python} -m pip install uvloop` : `uv pip install --python ${python} uvloop`
  const loop = uvloop === undefined ? `without uvloop, the faster event loop (${add})` : `uvloop ${uvloop}`
  return `Python ${environment.version.join('.')}, ${count}, ${loop}`
}

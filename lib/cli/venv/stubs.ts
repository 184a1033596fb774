// The types of the Python package `amphis` for editors and type checkers: the package itself is built into our processes.
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { packageRoot } from '../../package-root.js'
import { shown } from '../text/shown.js'
import type { Environment } from './environment.js'
import { sitePackagesOf } from './site-packages.js'

const SOURCE = fileURLToPath(new URL('python/amphis', packageRoot))

/** What our `__init__.py` begins with, of whatever version. */
const OURS = '"""Stands for the package `amphis`'

/**
 * Puts them into an environment, or renews them. Without a `.dist-info` folder: pip would list a package that no index
 * has, and whoever installs what `pip freeze` says would look for it there.
 */
export async function installStubs(environment: Environment): Promise<void> {
  const packages = sitePackagesOf(environment)
  if (packages === undefined) return
  const folder = join(packages, 'amphis')
  const there = await readText(join(folder, '__init__.py'))
  // Somebody else's package stays what it is.
  if (there !== undefined && !there.startsWith(OURS)) return
  try {
    await mkdir(folder, { recursive: true })
    for (const name of await readdir(SOURCE)) {
      // What a Python that has tried to import it has left beside it is none of it.
      if (!/\.pyi?$|^py\.typed$/.test(name)) continue
      const text = await readFile(join(SOURCE, name), 'utf8')
      const file = join(folder, name)
      if ((await readText(file)) !== text) await writeFile(file, text)
    }
  } catch (error) {
    const reason = (error as Error).message
    console.log(
      `The types of amphis could not be put into ${shown(packages)}, which keeps nothing from running: ${reason}`,
    )
  }
}

async function readText(path: string): Promise<string | undefined> {
  return readFile(path, 'utf8').catch(() => undefined)
}

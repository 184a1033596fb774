// The packages as npm would publish them.
import { cpSync, existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { inRoot, root } from './paths.mjs'
import { Problem } from './problem.mjs'
import { run } from './run.mjs'

/**
 * What npm would publish of a folder.
 *
 * @param {string} folder of the package
 * @param {string} destination
 * @returns {Promise<{ tarball: string, files: string[] }>}
 */
export async function pack(folder, destination) {
  const { code, output } = await run(
    'npm',
    ['pack', '--json', '--loglevel=silent', '--pack-destination', destination],
    {
      cwd: folder,
      quiet: true,
    },
  )
  if (code !== 0) throw new Problem(`npm pack of ${folder} failed`, output.trim())
  const [{ filename, files }] = JSON.parse(output)
  return { tarball: join(destination, filename), files: files.map((/** @type {{ path: string }} */ file) => file.path) }
}

/**
 * The package that carries the addon of this platform, made as the release does.
 *
 * @param {string} destination
 */
export async function packAddon(destination) {
  const addon = readdirSync(root).find((name) => name.startsWith(`amphis.${process.platform}-${process.arch}`))
  if (!addon) throw new Problem('the addon is not built', 'run `npm run build`')
  const platform = addon.split('.')[1] ?? ''
  if (!existsSync(inRoot('npm', platform))) return undefined
  const folder = join(destination, platform)
  cpSync(inRoot('npm', platform), folder, { recursive: true })
  cpSync(inRoot(addon), join(folder, addon))
  for (const name of readdirSync(root).filter((file) => /^engine-\d+\.so$/.test(file))) {
    cpSync(inRoot(name), join(folder, name))
  }
  return pack(folder, destination)
}

// npm run pack:into -- FOLDER: puts the packages of this clone into FOLDER/vendor, and names them in its package.json, so that
// an image can be built of it. As long as amphis is not on npm.
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import { pack, packAddon } from './lib/pack.mjs'
import { root } from './lib/paths.mjs'
import { Problem, main } from './lib/problem.mjs'
import { say } from './lib/say.mjs'
import { build } from './lib/setup.mjs'
import { withVendored } from './lib/vendored.mjs'

await main(async () => {
  const given = process.argv[2]
  if (given === undefined) throw new Problem('no folder is named', 'npm run pack:into -- ../my-function')
  const folder = resolve(process.env.INIT_CWD ?? '.', given)
  const manifest = join(folder, 'package.json')
  /** @type {{ dependencies?: Record<string, string> }} */
  let project
  try {
    project = JSON.parse(readFileSync(manifest, 'utf8'))
  } catch {
    throw new Problem(`${manifest} cannot be read`, 'name the folder of a project')
  }
  await build('release')
  const vendor = join(folder, 'vendor')
  mkdirSync(vendor, { recursive: true })
  const scratch = mkdtempSync(join(vendor, '.packing-'))
  try {
    const packages = [await pack(root, scratch), await packAddon(scratch)]
    const tarballs = packages.filter((entry) => entry !== undefined).map(({ tarball }) => tarball)
    for (const tarball of tarballs) renameSync(tarball, join(vendor, basename(tarball)))
    project.dependencies = withVendored(
      project.dependencies ?? {},
      tarballs.map((tarball) => basename(tarball)),
    )
  } finally {
    rmSync(scratch, { recursive: true })
  }
  writeFileSync(manifest, `${JSON.stringify(project, undefined, 2)}\n`)
  say(`${vendor} has the packages, and package.json names them.`)
  return 0
})
